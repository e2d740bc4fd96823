-- Opens a batch: its snapshot, kept for the pages that follow, and the last id drawn before now. Must run without an xid of its own,
-- or the snapshot would count this transaction's later rows as seen.
SELECT s.s2::text, (SELECT last_value - (NOT is_called)::int FROM postbus.outbox_id_seq), set_config('postbus.s2', s.s2::text, false)
  FROM (SELECT pg_current_snapshot() AS s2) s
