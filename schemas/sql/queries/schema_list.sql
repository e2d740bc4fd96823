-- All versions of the subject $1 (NULL: of every subject).
SELECT v.subject, v.version, v.schema_id, lpad(to_hex(s.fingerprint), 16, '0') AS fingerprint, j.compatibility,
       to_char(v.added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS added_at, v.added_by,
       (SELECT coalesce(json_agg(json_strip_nulls(json_build_object('topic', b.topic, 'framing', b.framing, 'registry', b.registry)) ORDER BY b.topic), '[]')
          FROM postbus.binding b WHERE b.subject = v.subject) AS topics,
       coalesce((SELECT string_agg(format('%s (%s)', b.topic, concat_ws(', ', b.framing, b.registry)), ', ' ORDER BY b.topic)
                   FROM postbus.binding b WHERE b.subject = v.subject), '-') AS topic_names
  FROM postbus.subject_version v JOIN postbus.subject j ON j.name = v.subject JOIN postbus.schema s ON s.id = v.schema_id
 WHERE $1::text IS NULL OR v.subject = $1
 ORDER BY v.subject, v.version
