-- Many events of one topic: $1 topic, $2 how many, $3 values, $4 keys or NULL, $5 the type of all or NULL, $6 the headers of all or NULL.
SELECT count(*)
  FROM postbus.publish_batch(
           array_fill($1::text, ARRAY[$2::int]), $3::bytea[], $4::bytea[],
           CASE WHEN $5::text IS NOT NULL THEN array_fill($5::text, ARRAY[$2::int]) END,
           CASE WHEN $6::jsonb IS NOT NULL THEN array_fill($6::jsonb, ARRAY[$2::int]) END);
