-- Of the parked events of topic $1 that were parked behind number $2, 10,000 at most: how many are not in the outbox, how many of these were parked behind
-- number $3, and the first of those; and up to which number none is in the outbox.
SELECT count(*) FILTER (WHERE NOT kept), count(*) FILTER (WHERE NOT kept AND n > $3::bigint), min(id) FILTER (WHERE NOT kept AND n > $3::bigint), max(n),
       coalesce(min(n) FILTER (WHERE kept) - 1, max(n))
  FROM (SELECT p.n, p.id, (SELECT x.id FROM postbus.outbox x WHERE x.id = p.id AND ((x.id >> 30) & 15) = ((p.id >> 30) & 15)) IS NOT NULL AS kept
          FROM (SELECT p.n, p.id FROM postbus.parked p WHERE p.topic = $1 AND p.waits_for = 'topic' AND p.n > $2::bigint ORDER BY p.n LIMIT 10000) p) k
