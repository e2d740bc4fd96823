-- Claims events: $1 subscription, $2 sources, $3 identities, $4 partitions, $5 offsets, $6 timestamps, $7 queues.
SELECT state, xid FROM postbus_inbox.claim($1::int, $2::int[], $3::uuid[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[])
