-- A page of the parked events of topic $1 that were parked behind number $4, in the order in which they were parked: at most $2 rows and about
-- $3 bytes of values, keys and headers. What has left already lies before that number, and costs nothing however long it takes to vacuum it.
-- place: of how many parked events it is the last; those that are not in the outbox are passed over (lane_missing.sql).
SELECT id, created_at, topic, key, value, type, headers, event_id, n, place
  FROM (SELECT s.*, sum(coalesce(octet_length(s.value), 0) + coalesce(octet_length(s.key), 0) + coalesce(octet_length(s.headers::text), 0))
             OVER (ORDER BY s.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT k.n, k.place, o.*
                  FROM (SELECT l.n, l.id, row_number() OVER (ORDER BY l.n) AS place
                          FROM (SELECT p.n, p.id FROM postbus.parked p
                                 WHERE p.topic = $1 AND p.waits_for = 'topic' AND p.n > $4::bigint ORDER BY p.n LIMIT $2::int) l) k
                 CROSS JOIN LATERAL (SELECT x.* FROM postbus.outbox x
                                      WHERE x.id = k.id AND ((x.id >> 30) & 15) = ((k.id >> 30) & 15) OFFSET 0) o) s) r
 WHERE coalesce(bytes_before, 0) < $3::bigint
 ORDER BY n
