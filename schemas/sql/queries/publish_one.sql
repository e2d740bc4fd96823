-- One event: $1 topic, $2 value (NULL: a tombstone), $3 key, $4 type, $5 headers.
SELECT p.id, postbus.event_id(p.id) AS event_id
  FROM postbus.publish($1::text, $2::bytea, $3::bytea, $4::text, $5::jsonb) AS p (id);
