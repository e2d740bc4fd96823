-- Removes dead letter $1, because of $2.
SELECT postbus_inbox.discard($1::bigint, $2::text)
