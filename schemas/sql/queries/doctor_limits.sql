-- The limits of a publish.
SELECT max(s.value) FILTER (WHERE s.name = 'max_value_bytes') AS max_value_bytes,
       max(s.value) FILTER (WHERE s.name = 'max_key_bytes') AS max_key_bytes,
       max(s.value) FILTER (WHERE s.name = 'max_headers_bytes') AS max_headers_bytes
  FROM postbus.setting s
