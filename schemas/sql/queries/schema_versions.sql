-- The versions of the subject $1, the oldest first.
SELECT v.version, v.schema_id, s.text
  FROM postbus.subject_version v JOIN postbus.schema s ON s.id = v.schema_id
 WHERE v.subject = $1 ORDER BY v.version
