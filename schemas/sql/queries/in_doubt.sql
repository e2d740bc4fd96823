-- Whether the newest row of progress is an intent whose Kafka transaction may have been committed or not.
SELECT p.intent IS NOT NULL FROM postbus.progress p ORDER BY p.n DESC LIMIT 1
