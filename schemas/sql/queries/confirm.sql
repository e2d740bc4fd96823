-- The last intent counts: its Kafka transaction is committed. $1 the leadership.
INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
SELECT p.leaf, $1::bigint, p.s1, p.x1, p.l1, p.s2, p.x2, p.l2, p.done_id, p.floor_id, p.published
  FROM postbus.progress p ORDER BY p.n DESC LIMIT 1
