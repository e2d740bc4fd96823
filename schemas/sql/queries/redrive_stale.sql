-- Forgets wishes to redrive what does not wait for an operator any more.
DELETE FROM postbus.wish w
 WHERE w.id IN (SELECT f.id FROM postbus.wish f WHERE f.action = 'redrive' ORDER BY f.n LIMIT 1000)
   AND NOT EXISTS (SELECT FROM postbus.parked k WHERE k.id = w.id AND k.waits_for = 'operator')
