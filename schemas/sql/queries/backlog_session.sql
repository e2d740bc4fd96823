-- What the transaction that only counts needs: it writes nothing, gives up on a count that takes too long, and stands in nobody's way.
-- The settings end with it.
SELECT pg_catalog.set_config(name, value, true)
  FROM (VALUES ('search_path', 'pg_catalog'),
               ('client_encoding', 'UTF8'),
               ('application_name', 'postbus-relay-backlog'),
               ('transaction_read_only', 'on'),
               ('statement_timeout', '30000'),
               ('transaction_timeout', '0'),
               ('lock_timeout', '1000'),
               ('max_parallel_workers_per_gather', '0'),
               ('jit', 'off')) AS s (name, value)
 WHERE current_setting(name, true) IS NOT NULL
