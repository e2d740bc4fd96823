-- A page of rows that no earlier batch can have held: id in ($1, $2], visible in the batch's snapshot, in the order of id. At most $3 rows, and
-- about $4 bytes of values, keys and headers (at least one row). The relay names the leaf in place of the outbox.
-- Values are stored uncompressed (STORAGE EXTERNAL), so a leaf whose TOAST table is empty holds no row above 2 KB, and a page of it needs no
-- running sum: that sum costs three times the rest. Only one of the two halves runs.
WITH large AS MATERIALIZED (
    SELECT coalesce(pg_relation_size(c.reltoastrelid) > 0, true) AS yes FROM pg_class c WHERE c.oid = 'postbus.outbox'::regclass)
(SELECT o.id, o.created_at, o.topic, o.key, o.value, o.type, o.headers, o.event_id
   FROM postbus.outbox o
  WHERE o.id > $1::bigint AND o.id <= $2::bigint
    AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
    AND NOT (SELECT yes FROM large)
  ORDER BY o.id LIMIT $3::int)
UNION ALL
(SELECT id, created_at, topic, key, value, type, headers, event_id
   FROM (SELECT o.*, sum(coalesce(octet_length(o.value), 0) + coalesce(octet_length(o.key), 0) + coalesce(octet_length(o.headers::text), 0))
             OVER (ORDER BY o.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
           FROM postbus.outbox o
          WHERE o.id > $1::bigint AND o.id <= $2::bigint
            AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
            AND (SELECT yes FROM large)
          ORDER BY o.id LIMIT $3::int) r
  WHERE coalesce(bytes_before, 0) < $4::bigint
  ORDER BY id)
