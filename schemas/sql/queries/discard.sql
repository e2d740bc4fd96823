-- Carries out what operators wished to be discarded: the events become dead, with a receipt that names no partition. A row for each queue and each
-- stopped topic that lost an event, with a NULL for the other; the last one, with two, says how many wishes were taken. $1: events that are on their
-- way to a broker, which have to come back first. A wish that a later one replaced is only forgotten; one for what is parked no more is late.sql's.
WITH seen AS MATERIALIZED (SELECT w.n, w.id, w.wished_by, w.why, (SELECT bool_or(l.n > w.n) FROM postbus.wish l WHERE l.id = w.id) AS replaced
                             FROM postbus.wish w
                            WHERE w.action = 'discard' AND w.id <> ALL ($1::bigint[]) AND (SELECT k.id FROM postbus.parked k WHERE k.id = w.id) IS NOT NULL
                            ORDER BY w.n LIMIT 1000),
     wished AS MATERIALIZED (SELECT s.id, s.wished_by, s.why FROM seen s WHERE NOT s.replaced),
     gone AS (DELETE FROM postbus.parked k USING wished w WHERE k.id = w.id AND k.id = ANY (ARRAY(SELECT id FROM wished))
              RETURNING k.id, k.topic, k.key, k.reason, k.error_code, k.attempts, k.parked_at, k.queue, k.stops_topic, w.wished_by, w.why),
     died AS (INSERT INTO postbus.dead (id, topic, key, reason, error_code, attempts, parked_at, discarded_by, why)
              SELECT g.id, g.topic, g.key, g.reason, g.error_code, g.attempts, g.parked_at, g.wished_by, g.why FROM gone g),
     noted AS (INSERT INTO postbus.receipt (leaf, first_id, last_id, acked_at, ids, partitions, offsets)
               SELECT ((g.id >> 30) & 15)::smallint, g.id, g.id, clock_timestamp(), ARRAY[g.id], ARRAY[NULL]::int[], ARRAY[NULL]::bigint[] FROM gone g),
     done AS (DELETE FROM postbus.wish w USING seen s WHERE w.id = s.id AND w.n <= s.n AND w.id = ANY (ARRAY(SELECT id FROM seen)))
SELECT g.queue, NULL::text AS topic, NULL::bigint AS n FROM gone g WHERE g.queue IS NOT NULL
UNION ALL
SELECT NULL, g.topic, NULL FROM gone g WHERE g.stops_topic
UNION ALL
SELECT NULL, NULL, count(*) FROM seen
