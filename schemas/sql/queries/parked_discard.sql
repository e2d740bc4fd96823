-- Records the wish that event $1 be discarded, because of $2.
SELECT postbus.discard($1::bigint, $2::text)
