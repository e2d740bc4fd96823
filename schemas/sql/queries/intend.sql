-- As settle.sql, for events that are inside a Kafka transaction: $11 the n that Kafka holds before it.
INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, intent, kafka_before)
VALUES (($4::bigint >> 30) & 15, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, pg_current_xact_id(), $11)
RETURNING n, postbus.intent_stamp(at), intent
