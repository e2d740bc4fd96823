-- As intend.sql, for parked events: the relay's position stays. $1 the leadership, $2 events published, $3 the n that Kafka holds before it.
INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, intent, kafka_before)
SELECT p.leaf, $1::bigint, p.s1, p.x1, p.l1, p.s2, p.x2, p.l2, p.done_id, p.floor_id, $2::bigint, pg_current_xact_id(), $3::bigint
  FROM postbus.progress p ORDER BY p.n DESC LIMIT 1
RETURNING n, postbus.intent_stamp(at), intent
