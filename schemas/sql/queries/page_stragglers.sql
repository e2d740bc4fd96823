-- A page of stragglers: rows with old ids of transactions that the last batch's snapshot did not see, and that may have begun before its fence
-- ($5). Otherwise as page_large.
-- Only those that have ended by this batch's snapshot are looked up, and by a comparison of rows, which the index on (xid, id) alone serves: by the
-- index on id, each read would go through all that was published since the oldest open transaction began.
SELECT id, created_at, topic, key, value, type, headers, event_id
  FROM (SELECT s.*, sum(coalesce(octet_length(s.value), 0) + coalesce(octet_length(s.key), 0) + coalesce(octet_length(s.headers::text), 0))
             OVER (ORDER BY s.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT r.* FROM unnest($5::xid8[]) AS x (xid)
                 CROSS JOIN LATERAL (SELECT o.* FROM postbus.outbox o
                                      WHERE ROW(o.xid, o.id) > ROW(x.xid, $1::bigint) AND ROW(o.xid, o.id) <= ROW(x.xid, $2::bigint)
                                      ORDER BY o.xid, o.id LIMIT $3::int) r
                 WHERE pg_visible_in_snapshot(x.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
                 ORDER BY r.id LIMIT $3::int) s) r
 WHERE coalesce(bytes_before, 0) < $4::bigint
 ORDER BY id
