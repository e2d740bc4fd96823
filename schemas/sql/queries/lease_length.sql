-- Tells other sessions the length of the leader's lease in milliseconds ($2), as a shared advisory lock that ends with the session ($1: silent_leader.sql).
SELECT pg_try_advisory_lock_shared($1::int, $2::int)
