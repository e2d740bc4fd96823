-- How many leaves of the outbox hold events, and the bytes of its files, and of those of receipts and progress. Looks at the files alone; the lock of
-- each is given back at once.
SELECT count(*) FILTER (WHERE p.relname = 'outbox' AND pg_relation_size(c.oid) > 0),
       coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE p.relname = 'outbox'), 0),
       coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE p.relname <> 'outbox'), 0)
  FROM pg_class p
  JOIN pg_inherits i ON i.inhparent = p.oid
  JOIN pg_class c ON c.oid = i.inhrelid
 WHERE p.oid IN ('postbus.outbox'::regclass, 'postbus.receipt'::regclass, 'postbus.progress'::regclass)
