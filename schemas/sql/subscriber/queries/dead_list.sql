-- Dead letters, the newest first: $1 application, $2 subscription, $3 topic, $4 reason (NULL: any), at most $5; and how many there are in all.
SELECT k.n, s.application, s.key AS subscription, o.topic, k.partition, k.kafka_offset AS "offset", k.key, k.type, k.reason, k.attempts, k.last_error,
       to_char(k.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS died_at, k.total
  FROM (SELECT d.*, count(*) OVER () AS total FROM postbus_inbox.chosen($1::text, $2::text, $3::text, $4::text, NULL, NULL) d
         ORDER BY d.n DESC LIMIT $5::bigint) k
  JOIN postbus_inbox.subscription s ON s.id = k.subscription JOIN postbus_inbox.source o ON o.id = k.source
 ORDER BY k.n DESC
