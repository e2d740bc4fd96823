-- The topics that are bound to schemas, with all versions of their subjects, the newest first; and the change that this is.
SELECT c.n, b.topic, b.framing, b.schema_id, b.text
  FROM postbus.binding_change c
  LEFT JOIN (SELECT k.topic::text COLLATE "C" AS topic, k.framing, v.version, v.schema_id, s.text
               FROM postbus.binding k JOIN postbus.subject_version v ON v.subject = k.subject JOIN postbus.schema s ON s.id = v.schema_id) b ON true
 ORDER BY b.topic, b.version DESC
