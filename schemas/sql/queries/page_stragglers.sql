-- A page of stragglers: rows with old ids whose transactions were running when the last batch's snapshot was taken ($5: its xip), or
-- started between that snapshot and its fence ([$6, $7)). Otherwise as page_new.
SELECT id, created_at, topic, key, value, type, headers, event_id
  FROM (SELECT s.*, sum(coalesce(octet_length(s.value), 0) + coalesce(octet_length(s.key), 0) + coalesce(octet_length(s.headers::text), 0))
             OVER (ORDER BY s.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT r.* FROM unnest($5::xid8[]) AS x (xid)
                 CROSS JOIN LATERAL (SELECT o.* FROM postbus.outbox o
                                      WHERE o.xid = x.xid AND o.id > $1::bigint AND o.id <= $2::bigint
                                        AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
                                      ORDER BY o.id LIMIT $3::int) r
                UNION ALL
                (SELECT o.* FROM postbus.outbox o
                  WHERE o.xid >= $6::xid8 AND o.xid < $7::xid8 AND o.id > $1::bigint AND o.id <= $2::bigint
                    AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
                  ORDER BY o.id LIMIT $3::int)
                ORDER BY id LIMIT $3::int) s) r
 WHERE coalesce(bytes_before, 0) < $4::bigint
 ORDER BY id
