-- The newest migration that is applied, against $3, the newest that the program knows.
SELECT CASE WHEN m.version = $3::bigint THEN 'ok' ELSE 'error' END AS level,
       CASE WHEN m.version > $3 THEN format('the schema has migration %s, this program knows only %s', m.version, $3)
            WHEN m.version < $3 THEN format('the schema has migration %s, this program knows %s', m.version, $3)
            ELSE format('migration %s, the newest', m.version) END AS found,
       CASE WHEN m.version > $3 THEN 'Use a postbus that is as new as the schema.' END AS remedy
  FROM (SELECT coalesce(max(version), 0) AS version FROM postbus.migration) m
