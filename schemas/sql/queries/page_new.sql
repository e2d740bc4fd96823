-- A page of rows that no earlier batch can have held: id in ($1, $2], visible in the batch's snapshot, in the order of id. At most $3 rows.
-- Nothing bounds their bytes: values are stored uncompressed (STORAGE EXTERNAL), so where the snapshot's statement found the leaf's TOAST table
-- empty, no row is above 2 KB. Where it did not, this finds nothing and page_large is to be asked. The relay names the leaf in place of the outbox.
SELECT o.id, o.created_at, o.topic, o.key, o.value, o.type, o.headers, o.event_id
  FROM postbus.outbox o
 WHERE o.id > $1::bigint AND o.id <= $2::bigint
   AND pg_visible_in_snapshot(o.xid, (SELECT current_setting('postbus.s2')::pg_snapshot))
 ORDER BY o.id
 LIMIT CASE WHEN current_setting('postbus.large')::bool THEN 0 ELSE $3::int END
