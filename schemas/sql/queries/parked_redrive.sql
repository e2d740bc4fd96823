-- Records the wish: the parameters of parked_chosen, and $6 why.
SELECT postbus.redrive($1::text, $2::bytea, $3::bigint, $4::text, $5::interval, $6::text)
