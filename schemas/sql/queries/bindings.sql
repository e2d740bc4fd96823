-- The topics that are bound to schemas, with all versions of their subjects, the newest first, and the ids that frames name them by: the one
-- they get, and the other that they may have had under an earlier binding, of this database or a registry; and the change that this is.
SELECT c.n, b.topic, b.framing, b.frame_id, b.other_id, b.text
  FROM postbus.binding_change c
  LEFT JOIN (SELECT k.topic::text COLLATE "C" AS topic, k.framing, v.version, s.text,
                    CASE WHEN k.registry IS NULL THEN v.schema_id ELSE r.registry_id END AS frame_id,
                    CASE WHEN k.registry IS NULL THEN r.registry_id ELSE v.schema_id END AS other_id
               FROM postbus.binding k JOIN postbus.subject_version v ON v.subject = k.subject JOIN postbus.schema s ON s.id = v.schema_id
               LEFT JOIN postbus.registered r ON r.topic = k.topic AND r.schema_id = v.schema_id
              WHERE k.registry IS NULL OR r.registry_id IS NOT NULL) b ON true
 ORDER BY b.topic, b.version DESC
