-- How many events a redrive would be wished for, and how many wait behind them, counted up to $6: $1 topic, $2 key, $3 id, $4 reason, $5 parked longer ago than;
-- NULL: any. Behind them are those of their queues and, where the topic stops at one, the topic's.
WITH chosen AS MATERIALIZED (
    SELECT k.id, k.queue, k.topic, k.stops_topic FROM postbus.parked k
      LEFT JOIN LATERAL (SELECT w.action FROM postbus.wish w WHERE w.id = k.id ORDER BY w.n DESC LIMIT 1) l ON true
     WHERE (k.waits_for = 'operator' AND l.action IS NULL OR l.action = 'discard' AND $3::bigint IS NOT NULL)
       AND ($1::text IS NULL OR k.topic = $1) AND ($2::bytea IS NULL OR k.key = $2) AND ($3::bigint IS NULL OR k.id = $3)
       AND ($4::text IS NULL OR k.reason = $4) AND ($5::interval IS NULL OR k.parked_at < clock_timestamp() - $5))
SELECT (SELECT count(*) FROM chosen),
       (SELECT count(*)
          FROM (SELECT FROM postbus.parked f WHERE f.waits_for = 'key' AND f.queue IN (SELECT c.queue FROM chosen c)
                UNION ALL
                SELECT FROM postbus.parked f WHERE f.waits_for = 'topic' AND f.topic IN (SELECT c.topic FROM chosen c WHERE c.stops_topic)
                LIMIT $6::bigint) b)
