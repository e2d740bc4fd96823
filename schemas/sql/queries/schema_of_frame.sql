-- The text of the schema with the id $1, or with the fingerprint $2: of several of one fingerprint, which all read the same bytes, the newest.
SELECT text FROM postbus.schema WHERE id = $1::int OR fingerprint = $2::bigint ORDER BY id DESC LIMIT 1
