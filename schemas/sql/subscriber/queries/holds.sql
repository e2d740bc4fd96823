-- Whether subscription $1 still holds.
SELECT ended_at IS NULL FROM postbus_inbox.subscription WHERE id = $1::int
