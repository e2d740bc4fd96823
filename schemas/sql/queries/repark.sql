-- Parked events that were tried and stay parked: $1 to $6 as park.sql has them. Those that wait for an operator were refused once more.
UPDATE postbus.parked k
   SET reason = u.reason, waits_for = u.waits_for, stops_topic = u.stops, queue = coalesce(u.queue, k.queue), error_code = u.error_code,
       attempts = k.attempts + (u.waits_for = 'operator')::int,
       attempted_at = CASE WHEN u.waits_for = 'operator' THEN clock_timestamp() ELSE k.attempted_at END
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bool[], $5::bigint[], $6::int[]) AS u (id, reason, waits_for, stops, queue, error_code)
 WHERE k.id = u.id AND k.id = ANY ($1::bigint[])
