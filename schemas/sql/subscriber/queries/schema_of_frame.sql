-- The text of the schema that a record of the topic $3 names by the id $1, or by the fingerprint $2: of several of one fingerprint, which all
-- read the same bytes, the newest. An id is a registry's where the topic has such ids, or had them; else it is ours, unless $4: then the caller asks
-- a registry about topics that are not bound. Ours of a topic that is bound, and has or had ids of a registry, is its own subject's alone: it may be
-- a registry's that is known no more.
WITH b AS (SELECT registry IS NULL AS ours, subject FROM postbus.binding WHERE topic = $3)
SELECT text FROM (
    SELECT s.text, s.id, 1 AS place FROM postbus.registered r JOIN postbus.schema s ON s.id = r.schema_id
     WHERE r.topic = $3 AND r.registry_id = $1::int AND NOT EXISTS (SELECT FROM b WHERE ours)
    UNION ALL
    SELECT s.text, s.id, 2 FROM postbus.schema s WHERE s.id = $1::int AND (NOT $4::boolean OR EXISTS (SELECT FROM b WHERE ours))
       AND (NOT EXISTS (SELECT FROM b) OR NOT EXISTS (SELECT FROM postbus.registered r WHERE r.topic = $3)
            OR EXISTS (SELECT FROM postbus.subject_version v WHERE v.schema_id = s.id AND v.subject IN (SELECT b.subject FROM b)))
    UNION ALL
    SELECT s.text, s.id, 2 FROM postbus.schema s WHERE s.fingerprint = $2::bigint) found
 ORDER BY place, id DESC LIMIT 1
