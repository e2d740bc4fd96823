-- The fence and the durability barrier of a batch, where there is nothing to settle at the same time: a commit with an xid that writes to
-- the log, and so flushes all that the batch's snapshot saw, whatever synchronous_commit its writers chose.
SELECT pg_current_xact_id(), pg_logical_emit_message(true, 'postbus', '')
