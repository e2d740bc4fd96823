-- Has dead letters of any key tried again: the first six parameters of dead_count, and $7 why.
SELECT postbus_inbox.redrive($1::text, $2::text, $3::text, $4::text, $5::bigint, $6::interval, $7::text)
