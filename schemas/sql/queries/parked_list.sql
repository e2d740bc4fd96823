-- Parked events in the order in which they were set aside: at most $3 of topic $1 and reason $2 (NULL: of any), and how many there are in all.
SELECT k.id, k.topic, k.key, k.reason, k.error_code, k.waits_for, k.attempts, w.action AS wish,
       to_char(k.parked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS parked_at, k.total
  FROM (SELECT p.*, count(*) OVER () AS total FROM postbus.parked p
         WHERE ($1::text IS NULL OR p.topic = $1) AND ($2::text IS NULL OR p.reason = $2)
         ORDER BY p.n LIMIT $3::bigint) k
  LEFT JOIN LATERAL (SELECT x.action FROM postbus.wish x WHERE x.id = k.id ORDER BY x.n DESC LIMIT 1) w ON true
 ORDER BY k.n
