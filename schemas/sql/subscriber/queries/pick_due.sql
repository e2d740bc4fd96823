-- Looks for an event of subscription $1 that is due, for member $2; $3 NULL, or which, where it is to be run alone.
SELECT n, deaths, died FROM postbus_inbox.pick_due($1::int, $2, $3::bigint)
