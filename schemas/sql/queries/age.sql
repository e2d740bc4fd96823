-- Of an age that somebody wrote, $1: whether it lies in the past, and whether it names no unit (PostgreSQL takes seconds).
SELECT $1::text::interval > interval '0', $1::text ~ '^[[:space:]]*[0-9.]+[[:space:]]*$'
