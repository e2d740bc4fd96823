-- Sets events aside, in the commit whose progress passes them, in the order of the arrays: $1 ids, $2 reasons, $3 what they wait for, $4 whether the
-- topic stops at them, $5 the queues, $6 error codes. Those that wait for an operator were refused once.
INSERT INTO postbus.parked (id, topic, key, reason, waits_for, stops_topic, queue, error_code, attempts, attempted_at)
SELECT o.id, o.topic, o.key, u.reason, u.waits_for, u.stops, u.queue, u.error_code,
       (u.waits_for = 'operator')::int, CASE WHEN u.waits_for = 'operator' THEN clock_timestamp() END
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bool[], $5::bigint[], $6::int[]) WITH ORDINALITY
       AS u (id, reason, waits_for, stops, queue, error_code, position)
  JOIN postbus.outbox o ON o.id = u.id AND ((o.id >> 30) & 15) = ((u.id >> 30) & 15)
 ORDER BY u.position
