-- As page_new, where values may be large: at most $3 rows, and about $4 bytes of values, keys and headers (at least one row). The running sum
-- costs three times the rest.
SELECT id, created_at, topic, key, value, type, headers, event_id
  FROM (SELECT o.*, sum(coalesce(octet_length(o.value), 0) + coalesce(octet_length(o.key), 0) + coalesce(octet_length(o.headers::text), 0))
             OVER (ORDER BY o.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM postbus.outbox o
         WHERE o.id > $1::bigint AND o.id <= $2::bigint
           AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
         ORDER BY o.id LIMIT $3::int) r
 WHERE coalesce(bytes_before, 0) < $4::bigint
 ORDER BY id
