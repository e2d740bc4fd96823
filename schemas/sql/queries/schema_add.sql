-- Makes the schema of text $2 and fingerprint $3 the newest version of the subject $1, whose row the caller has locked.
WITH one AS (INSERT INTO postbus.schema (fingerprint, text, digest)
             VALUES ($3::bigint, $2::text, sha256(convert_to($2::text, 'UTF8')))
             ON CONFLICT (digest) DO UPDATE SET digest = EXCLUDED.digest RETURNING id)
INSERT INTO postbus.subject_version (subject, version, schema_id)
SELECT $1, (SELECT coalesce(max(version), 0) + 1 FROM postbus.subject_version WHERE subject = $1), one.id FROM one
RETURNING version, schema_id
