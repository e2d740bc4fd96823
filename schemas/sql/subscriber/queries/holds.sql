-- Whether subscription $1 still holds; no row: in this database it is not $3 of application $2.
SELECT ended_at IS NULL FROM postbus_inbox.subscription WHERE id = $1::int AND application = $2 AND key = $3
