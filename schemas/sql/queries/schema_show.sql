-- The text of the version $2 (NULL: the newest) of the subject $1.
SELECT s.text FROM postbus.subject_version v JOIN postbus.schema s ON s.id = v.schema_id
 WHERE v.subject = $1 AND ($2::int IS NULL OR v.version = $2)
 ORDER BY v.version DESC LIMIT 1
