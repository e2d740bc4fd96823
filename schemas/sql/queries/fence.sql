-- Ends a read, as a statement after the snapshot's. First the fence: the next xid to be assigned (age() reads it and assigns none); whoever
-- gets it, or a later one, draws ids above the last id that the snapshot's statement saw. Then how far the log is flushed, in bytes: what a snapshot
-- saw before the log ended there is durable. None (0) where a synchronous standby may be behind.
-- The three lowest values of a 32-bit xid are no transactions, and age() knows no answer for them.
SELECT b.base + age((b.base & 4294967295)::text::xid),
       CASE current_setting('synchronous_standby_names') WHEN '' THEN pg_current_wal_flush_lsn() - '0/0'::pg_lsn ELSE 0 END
  FROM (SELECT m.xmax + CASE WHEN m.xmax & 4294967295 < 3 THEN 3 ELSE 0 END AS base
          FROM (SELECT pg_snapshot_xmax(current_setting('postbus.s2')::pg_snapshot)::text::bigint AS xmax) m) b
