-- Ends a page of redriving: $1 the events that a broker has now, $2 those for which a wish is fulfilled (or failed once more).
WITH gone AS (DELETE FROM postbus.parked WHERE id = ANY ($1::bigint[]))
DELETE FROM postbus.wish WHERE id = ANY ($2::bigint[]) AND (action = 'redrive' OR id = ANY ($1::bigint[]))
