-- Whether the newest row of progress is an intent whose Kafka transaction may have been committed or not; and what names the relay's Kafka transactions:
-- a failover keeps it, so that the leader of before is fenced. For who holds the lock of the lead, under which a rebase gives the outbox another.
SELECT p.intent IS NOT NULL, (SELECT y.transactions_id FROM postbus.identity y ORDER BY y.after_id DESC LIMIT 1)
  FROM postbus.progress p ORDER BY p.n DESC LIMIT 1
