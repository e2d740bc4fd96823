-- A page of parked events that may leave: those that operators wished to redrive, and the first ones of their queues and of the queues $1, in the
-- order in which they were parked. At most $2 rows and about $3 bytes of values, keys and headers. $4: it looks at wishes behind this number; their
-- number tells nothing of what is left before it, so that those that cannot leave now hold up none behind them, and those that are gone cost
-- nothing. $5: topics that take nothing now. held: it waits for an operator who has not wished anything yet, and its queue with it.
-- Each step looks up what the one before it chose, row by row and by one index: OFFSET 0, the range of a queue and the expression around an action
-- leave the planner no other way, whatever its statistics say of tables that fill and empty like these.
WITH wished AS MATERIALIZED (
        SELECT k.n, k.id, k.queue, k.stops_topic
          FROM (SELECT w.id, (SELECT bool_or(l.n > w.n) FROM postbus.wish l WHERE l.id = w.id) AS replaced
                  FROM postbus.wish w WHERE w.action = 'redrive' AND w.n > $4::bigint ORDER BY w.n LIMIT $2::int) w
         CROSS JOIN LATERAL (SELECT p.* FROM postbus.parked p WHERE p.id = w.id OFFSET 0) k
         WHERE k.waits_for = 'operator' AND k.topic <> ALL ($5::text[]) AND NOT w.replaced),
     queues AS MATERIALIZED (SELECT unnest($1::bigint[]) AS queue UNION SELECT w.queue FROM wished w WHERE w.queue IS NOT NULL),
     chosen AS MATERIALIZED (
        SELECT w.n, w.id, w.queue, w.stops_topic, false AS held FROM wished w WHERE w.queue IS NULL
        UNION ALL
        SELECT q.n, q.id, q.queue, q.stops_topic,
               q.waits_for = 'operator' AND (SELECT max(w.n) FILTER (WHERE w.action = 'redrive') = max(w.n) FROM postbus.wish w WHERE w.id = q.id) IS NOT TRUE
          FROM queues a
         CROSS JOIN LATERAL (SELECT k.n, k.id, k.queue, k.stops_topic, k.waits_for
                               FROM postbus.parked k WHERE k.queue >= a.queue AND k.queue <= a.queue AND k.topic <> ALL ($5::text[]) ORDER BY k.queue, k.n
                              LIMIT greatest(1, $2::int / nullif((SELECT count(*) FROM queues), 0))) q)
SELECT id, created_at, topic, key, value, type, headers, event_id, queue, stops_topic, held
  FROM (SELECT s.*, sum(coalesce(octet_length(s.value), 0) + coalesce(octet_length(s.key), 0) + coalesce(octet_length(s.headers::text), 0))
             OVER (ORDER BY s.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT c.n, c.queue, c.stops_topic, c.held, o.*
                  FROM (SELECT * FROM chosen ORDER BY n LIMIT $2::int) c
                 CROSS JOIN LATERAL (SELECT x.* FROM postbus.outbox x
                                      WHERE x.id = c.id AND ((x.id >> 30) & 15) = ((c.id >> 30) & 15) OFFSET 0) o) s) r
 WHERE coalesce(bytes_before, 0) < $3::bigint
 ORDER BY n
