-- In how many milliseconds the next event of subscription $1 is due; NULL: none waits.
SELECT ceil(extract(epoch FROM due_at - clock_timestamp()) * 1000)::bigint FROM postbus_inbox.waiting
 WHERE subscription = $1::int AND due_at IS NOT NULL ORDER BY due_at LIMIT 1
