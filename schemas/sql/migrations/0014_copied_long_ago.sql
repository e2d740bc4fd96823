-- A rebase of a database that has rows older than 2^31 transactions.
SET LOCAL search_path = pg_catalog, pg_temp;

-- As before, but of what age() can tell. A frozen row shows the xmin that it was written with, and one that is older than 2^31 transactions counts as
-- of the future: a rebase put the position there, where no relay leads, and so did each one after it. Of a copy some row is always recent: that of the
-- database, or those that were restored. Later than one's own xid, and seen, is what committed beside us.
CREATE OR REPLACE FUNCTION postbus.copied_until() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT n.next_xid - min(x.age) FILTER (WHERE n.next_xid - x.age <= greatest(n.next_xid, n.seen_xid))
      FROM (SELECT postbus.next_xid() AS next_xid, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS seen_xid) n,
           LATERAL (SELECT age(t.xmin) FROM pg_trigger t WHERE t.tgrelid = 'postbus.outbox'::regclass AND t.tgname = 'ring'
                    UNION ALL SELECT age(i.xmin) FROM postbus.instance i
                    UNION ALL SELECT age(d.xmin) FROM pg_database d, postbus.instance i WHERE d.datname = current_database() AND d.oid <> i.database_oid
                    UNION ALL (SELECT age(p.xmin) FROM postbus.progress p WHERE p.xmin IS DISTINCT FROM pg_current_xact_id_if_assigned()::xid
                                ORDER BY p.n DESC LIMIT 1)
                    UNION ALL (SELECT age(l.xmin) FROM postbus.leadership l ORDER BY l.epoch DESC LIMIT 1)) x
     GROUP BY n.next_xid, n.seen_xid
$$;
