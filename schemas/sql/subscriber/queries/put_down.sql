-- The attempt at the event of source $1 with the identity $2 has ended.
SELECT postbus_inbox.put_down($1::int, $2::uuid)
