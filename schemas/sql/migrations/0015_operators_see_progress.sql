-- What operators may read: all that viewers may, as the documentation has always said. `postbus status` was refused to them.
SET LOCAL search_path = pg_catalog, pg_temp;

GRANT SELECT (n, at, published, epoch) ON postbus.progress TO postbus_operator;

-- The table of migrations is there where they were applied by postbus migrate.
DO $$
BEGIN
    IF to_regclass('postbus.migration') IS NOT NULL THEN
        GRANT SELECT ON postbus.migration TO postbus_operator;
    END IF;
END $$;
