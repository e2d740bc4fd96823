-- A page of the parked events of topic $1 that were parked behind number $4, in the order in which they were parked: at most $2 rows and about
-- $3 bytes of values, keys and headers. What has left already lies before that number, and costs nothing however long it takes to vacuum it.
SELECT id, created_at, topic, key, value, type, headers, event_id, n
  FROM (SELECT s.*, sum(coalesce(octet_length(s.value), 0) + coalesce(octet_length(s.key), 0) + coalesce(octet_length(s.headers::text), 0))
             OVER (ORDER BY s.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT k.n, o.* FROM postbus.parked k JOIN postbus.outbox o ON o.id = k.id WHERE k.topic = $1 AND k.waits_for = 'topic' AND k.n > $4::bigint
                 ORDER BY k.n LIMIT $2::int) s) r
 WHERE coalesce(bytes_before, 0) < $3::bigint
 ORDER BY n
