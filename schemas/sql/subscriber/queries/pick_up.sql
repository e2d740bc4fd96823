-- Notes that an event of source $1 with the identity $2 is about to be handled by member $3.
SELECT postbus_inbox.pick_up($1::int, $2::uuid, $3)
