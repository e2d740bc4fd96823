-- Ends a page of redriving: $1 the events that a broker has now, $2 those for which a wish is fulfilled (or failed once more). What it replaced goes with
-- it; a discard that was wished since stays, for discard.sql to carry out, or to tell that it came too late.
WITH gone AS (DELETE FROM postbus.parked WHERE id = ANY ($1::bigint[]))
DELETE FROM postbus.wish w
 WHERE w.id = ANY ($2::bigint[])
   AND (w.action || '' = 'redrive' OR (SELECT bool_or(l.action = 'redrive' AND l.n > w.n) FROM postbus.wish l WHERE l.id = w.id))
