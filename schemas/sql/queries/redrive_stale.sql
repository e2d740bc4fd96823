-- Forgets wishes to redrive what does not wait for an operator any more, of those with the numbers behind $1 up to $2.
DELETE FROM postbus.wish w
 WHERE w.action = 'redrive' AND w.n > $1::bigint AND w.n <= $2::bigint
   AND (SELECT k.waits_for FROM postbus.parked k WHERE k.id = w.id) IS DISTINCT FROM 'operator'
