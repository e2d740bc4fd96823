-- A page of the queues of parked events behind queue $1, and whether the first of each waits for an operator.
SELECT q.queue,
       (SELECT k.waits_for = 'operator' FROM postbus.parked k WHERE k.queue = q.queue ORDER BY k.n LIMIT 1)
  FROM (SELECT k.queue FROM postbus.parked k WHERE k.queue > $1::bigint GROUP BY k.queue ORDER BY k.queue LIMIT 10000) q
 ORDER BY q.queue
