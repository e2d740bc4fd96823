-- Which of the queues $1 hold no event any more.
SELECT a.queue FROM unnest($1::bigint[]) AS a (queue) WHERE (SELECT k.id FROM postbus.parked k WHERE k.queue = a.queue LIMIT 1) IS NULL
