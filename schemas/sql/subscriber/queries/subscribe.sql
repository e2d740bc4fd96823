-- Replaces the list of application $1 by $2, whose version is $3.
SELECT id, key, holds FROM postbus_inbox.subscribe($1, $2::jsonb, $3::int)
