-- Where postbus migrate --subscriber notes what it applied. Run inside its transaction, under its lock.
CREATE SCHEMA IF NOT EXISTS postbus_inbox;
CREATE TABLE IF NOT EXISTS postbus_inbox.migration (
    version    int PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
