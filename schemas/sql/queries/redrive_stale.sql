-- Forgets wishes to redrive what does not wait for an operator any more, or is not in the outbox, or for which something else was wished since, of those
-- with the numbers behind $1 up to $2; and the earlier wishes that they replaced. Of those that wait and are not in the outbox: how many, the first, its topic.
WITH seen AS MATERIALIZED (
    SELECT w.n, w.id, (SELECT k.waits_for FROM postbus.parked k WHERE k.id = w.id) IS NOT DISTINCT FROM 'operator' AS waits,
           (SELECT bool_or(l.n > w.n) FROM postbus.wish l WHERE l.id = w.id) AS replaced
      FROM postbus.wish w WHERE w.action = 'redrive' AND w.n > $1::bigint AND w.n <= $2::bigint),
     stale AS MATERIALIZED (
    SELECT s.n, s.id, s.waits AND NOT s.replaced AS missing FROM seen s
     WHERE NOT s.waits OR s.replaced
        OR (SELECT o.id FROM postbus.outbox o WHERE o.id = s.id AND ((o.id >> 30) & 15) = ((s.id >> 30) & 15)) IS NULL),
     gone AS (DELETE FROM postbus.wish w USING stale s WHERE w.id = s.id AND w.n <= s.n AND w.id = ANY (ARRAY(SELECT id FROM stale)))
SELECT m.n, m.first, (SELECT k.topic FROM postbus.parked k WHERE k.id = m.first)
  FROM (SELECT count(*) AS n, min(id) AS first FROM stale WHERE missing) m
