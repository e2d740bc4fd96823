-- Dead letters, the newest first: $1 application, $2 subscription, $3 topic, $4 reason (NULL: any), at most $5; and how many there are in all.
SELECT d.n, s.application, s.key AS subscription, o.topic, d.partition, d.kafka_offset AS "offset", d.key, d.type, d.reason, d.attempts, d.last_error,
       to_char(d.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS died_at, k.total
  FROM (SELECT c.n, count(*) OVER () AS total FROM postbus_inbox.chosen($1::text, $2::text, $3::text, $4::text, NULL, NULL) c (n)
         ORDER BY c.n DESC LIMIT $5::bigint) k
  JOIN postbus_inbox.dead d ON d.n = k.n
  JOIN postbus_inbox.subscription s ON s.id = d.subscription JOIN postbus_inbox.source o ON o.id = d.source
 ORDER BY d.n DESC
