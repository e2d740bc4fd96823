-- The sequence of the outbox must give ids one by one, ascending.
SELECT CASE WHEN s.seqcache = 1 AND s.seqincrement = 1 AND NOT s.seqcycle THEN 'ok' ELSE 'error' END AS level,
       format('CACHE %s, INCREMENT %s, %s', s.seqcache, s.seqincrement, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS found
  FROM pg_sequence s WHERE s.seqrelid = 'postbus.outbox_id_seq'::regclass
