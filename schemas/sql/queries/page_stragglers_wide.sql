-- As page_stragglers, where the transactions are too many to name, as those of the cluster between a copy and its rebase: all in [$6, $7) besides
-- those of $5. Each page goes through its own ids, so that all together go through each id once.
SELECT id, created_at, topic, key, value, type, headers, event_id
  FROM (SELECT s.*, sum(coalesce(octet_length(s.value), 0) + coalesce(octet_length(s.key), 0) + coalesce(octet_length(s.headers::text), 0))
             OVER (ORDER BY s.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT o.* FROM postbus.outbox o
                 WHERE o.id > $1::bigint AND o.id <= $2::bigint AND (o.xid = ANY ($5::xid8[]) OR (o.xid >= $6::xid8 AND o.xid < $7::xid8))
                   AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
                 ORDER BY o.id LIMIT $3::int) s) r
 WHERE coalesce(bytes_before, 0) < $4::bigint
 ORDER BY id
