-- Parked events that the broker has taken now.
DELETE FROM postbus.parked WHERE id = ANY ($1::bigint[])
