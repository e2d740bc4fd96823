-- Discarded events, the newest first: at most $3 of topic $1 and reason $2 (NULL: of any), and how many there are in all.
SELECT d.id, d.topic, d.key, d.reason, d.error_code, d.attempts, d.discarded_by, d.why,
       to_char(d.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS died_at, d.total
  FROM (SELECT x.*, count(*) OVER () AS total FROM postbus.dead x
         WHERE ($1::text IS NULL OR x.topic = $1) AND ($2::text IS NULL OR x.reason = $2)
         ORDER BY x.died_at DESC, x.id DESC LIMIT $3::bigint) d
 ORDER BY d.died_at DESC, d.id DESC
