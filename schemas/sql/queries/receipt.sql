-- One receipt: where the events $2 went ($3 partitions, $4 offsets).
INSERT INTO postbus.receipt (leaf, first_id, last_id, acked_at, ids, partitions, offsets)
SELECT $1::smallint, r.ids[1], r.ids[cardinality(r.ids)], clock_timestamp(), r.ids, $3::int[], $4::bigint[] FROM (SELECT $2::bigint[] AS ids) r
