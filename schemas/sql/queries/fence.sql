-- Ends a read, as a statement after the snapshot's. First the fence: the next xid to be assigned (age() reads it and assigns none); whoever
-- gets it, or a later one, draws ids above the last id that the snapshot's statement saw. Then whether all that the snapshot saw is durable already:
-- the log is flushed up to where it ended after the snapshot, and there is no synchronous standby that may be behind.
-- The three lowest values of a 32-bit xid are no transactions, and age() knows no answer for them.
SELECT b.base + age((b.base & 4294967295)::text::xid),
       current_setting('synchronous_standby_names') = '' AND pg_current_wal_flush_lsn() >= current_setting('postbus.lsn')::pg_lsn
  FROM (SELECT m.xmax + CASE WHEN m.xmax & 4294967295 < 3 THEN 3 ELSE 0 END AS base
          FROM (SELECT pg_snapshot_xmax(current_setting('postbus.s2')::pg_snapshot)::text::bigint AS xmax) m) b
