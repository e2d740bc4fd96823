-- How many committed events are neither published nor parked, and the age of the oldest by the database's own clock.
SELECT b.pending, coalesce(greatest(extract(epoch FROM clock_timestamp() - b.oldest_pending_at), 0), 0)
  FROM postbus.backlog() b
