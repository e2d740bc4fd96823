-- A page of rows that no earlier batch can have held: id in ($1, $2], visible in the batch's snapshot. At most $3 rows, and about $4
-- bytes of values (at least one row). The relay names the leaf in place of the outbox.
SELECT id, created_at, topic, key, value, type, headers, event_id
  FROM (SELECT o.*, sum(octet_length(o.value)) OVER (ORDER BY o.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM postbus.outbox o
         WHERE o.id > $1::bigint AND o.id <= $2::bigint
           AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
         ORDER BY o.id LIMIT $3::int) r
 WHERE coalesce(bytes_before, 0) < $4::bigint
 ORDER BY id
