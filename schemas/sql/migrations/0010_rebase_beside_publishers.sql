-- What a rebase and those who publish before it, or beside it, do to each other's rows.
SET LOCAL search_path = pg_catalog, pg_temp;

-- As before, but only what the transaction wrote itself: restored rows have xids of another cluster, and this one gives them out again. A row that is seen
-- though its writer is still in progress is one's own, savepoints included; none of those has an age() above 0.
CREATE OR REPLACE FUNCTION postbus.stamp() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    own text := postbus.own_identity();
    stamped_id bigint := coalesce(nullif(current_setting('postbus.stamped', true), ''), '0');
    newest_id bigint;
    next_xid bigint := pg_current_xact_id()::text::bigint + age(pg_current_xact_id()::xid);
BEGIN
    newest_id := postbus.drawn_id();
    UPDATE postbus.outbox o SET event_id = (own || to_hex(o.id | (-9223372036854775808)::bigint))::uuid
     WHERE o.xid = pg_current_xact_id() AND o.id > stamped_id AND o.event_id IS NULL
       AND CASE WHEN age(o.xmin) <= 0 THEN pg_xact_status((next_xid - age(o.xmin))::text::xid8) = 'in progress' END;
    PERFORM set_config('postbus.stamped', newest_id::text, true);
END $$;
