-- The durability barrier of a batch, where the log was not flushed far enough and there is nothing to settle at the same time: a synchronous
-- commit that writes to the log, and so flushes all that the batch's snapshot saw, whatever synchronous_commit its writers chose.
SELECT pg_logical_emit_message(true, 'postbus', '')
