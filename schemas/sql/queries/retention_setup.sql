-- What differs for the session that empties leaves: its commits wait for no standby while they hold a leaf's lock, and no statement of it is long.
SELECT pg_catalog.set_config(name, value, false)
  FROM (VALUES ('synchronous_commit', 'local'), ('statement_timeout', '60000')) AS s (name, value)
