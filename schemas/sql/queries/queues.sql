-- A page of the queues of parked events behind queue $1, and whether the first of each waits for an operator.
SELECT DISTINCT ON (k.queue) k.queue, k.waits_for = 'operator'
  FROM postbus.parked k WHERE k.queue > $1::bigint ORDER BY k.queue, k.n LIMIT 10000
