-- The registry has given the id $3 to the schema $2, under the subject of the topic $1.
INSERT INTO postbus.registered AS r (topic, schema_id, registry_id) VALUES ($1, $2::int, $3::int)
ON CONFLICT (topic, schema_id) DO UPDATE
   SET (registry_id, registered_at, registered_by) = (EXCLUDED.registry_id, EXCLUDED.registered_at, EXCLUDED.registered_by)
