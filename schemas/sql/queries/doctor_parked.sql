-- Parked events by topic and reason, those of most events first.
WITH parked AS (
    SELECT k.topic, k.reason, count(*) AS n, min(k.parked_at) AS since FROM postbus.parked k GROUP BY k.topic, k.reason
)
(SELECT 'warning' AS level,
        format('%s events of the topic %s since %s: %s', p.n, p.topic, to_char(p.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), p.reason) AS found
   FROM parked p ORDER BY p.n DESC, p.topic LIMIT 50)
UNION ALL
SELECT 'ok', 'none' WHERE NOT EXISTS (SELECT FROM parked)
