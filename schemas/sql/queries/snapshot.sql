-- Opens a batch: its snapshot, kept for the pages that follow, the last id drawn before now, and where the log ends. Must run without an xid of
-- its own, or the snapshot would count this transaction's later rows as seen.
SELECT s.s2::text, (SELECT last_value - (NOT is_called)::int FROM postbus.outbox_id_seq), set_config('postbus.s2', s.s2::text, false),
       set_config('postbus.lsn', pg_current_wal_insert_lsn()::text, false)
  FROM (SELECT pg_current_snapshot() AS s2) s
