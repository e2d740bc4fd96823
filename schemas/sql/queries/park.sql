-- Sets an event aside, in the commit whose progress passes it.
INSERT INTO postbus.parked (id, topic, key, reason) SELECT $1::bigint, o.topic, o.key, $2 FROM postbus.outbox o WHERE o.id = $1::bigint
