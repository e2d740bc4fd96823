-- How many leaves of the outbox hold events (other than parked ones that were kept when a leaf was emptied: close_leaf takes it for empty then), and the bytes
-- of its files, and of those of receipts and progress. No more than a row of each leaf is looked for, under the locks that postbus.backlog() before
-- it in the transaction has taken; the lock of each file is given back at once.
SELECT (SELECT count(*)
          FROM postbus.leaf f
         CROSS JOIN LATERAL (SELECT FROM postbus.outbox o WHERE ((o.id >> 30) & 15) = f.leaf AND o.id > f.kept_id LIMIT 1) e),
       coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE p.relname = 'outbox'), 0),
       coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE p.relname <> 'outbox'), 0)
  FROM pg_class p
  JOIN pg_inherits i ON i.inhparent = p.oid
  JOIN pg_class c ON c.oid = i.inhrelid
 WHERE p.oid IN ('postbus.outbox'::regclass, 'postbus.receipt'::regclass, 'postbus.progress'::regclass)
