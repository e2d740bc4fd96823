-- Claims one event: $1 subscription, $2 source, $3 identity, $4 partition, $5 offset, $6 timestamp, $7 queue.
SELECT state, xid FROM postbus_inbox.claim_one($1::int, $2::int, $3::uuid, $4::int, $5::bigint, $6::bigint, $7::bigint)
