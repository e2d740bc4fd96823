-- The topics that are bound to the subject $1 with a registry's ids, and where that registry is.
SELECT topic, registry FROM postbus.binding WHERE subject = $1 AND registry IS NOT NULL ORDER BY topic
