-- Notes a failed attempt: $1 which, $2 how many attempts there were before, $3 the delay, NULL: it is dead, $4 for what reason, $5 how many attempts killed
-- their processes, NULL: it could not be tried, which counts as no attempt, $6 the error.
SELECT postbus_inbox.failed($1::bigint, $2::int, $3::bigint, $4, $5::int, $6)
