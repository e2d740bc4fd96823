-- Replaces the list of application $1 by $2.
SELECT id, key FROM postbus_inbox.subscribe($1, $2::jsonb)
