-- The topics of subscription $1, their numbers, and since when they are subscribed to, in milliseconds.
SELECT id, topic, floor(extract(epoch FROM since) * 1000)::bigint FROM postbus_inbox.source WHERE subscription = $1::int
