-- What a session of the relay needs to be its own: no setting of the database or the role may change what it reads or when it is durable.
-- What a server does not have is left out: PostgreSQL 16 has no transaction_timeout, and 13 no client_connection_check_interval, by which a statement
-- that runs ends when the relay is gone.
SELECT pg_catalog.set_config(name, value, false)
  FROM (VALUES ('default_transaction_isolation', 'read committed'),
               ('default_transaction_read_only', 'off'),
               ('synchronous_commit', 'on'),
               ('statement_timeout', '0'),
               ('lock_timeout', '0'),
               ('idle_in_transaction_session_timeout', '0'),
               ('transaction_timeout', '0'),
               ('plan_cache_mode', 'force_generic_plan'),
               ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('max_parallel_workers_per_gather', '0'),
               ('jit', 'off'),
               ('row_security', 'off'),
               ('search_path', 'pg_catalog'),
               ('client_encoding', 'UTF8'),
               ('tcp_keepalives_idle', '5'),
               ('tcp_keepalives_interval', '2'),
               ('tcp_keepalives_count', '3'),
               ('tcp_user_timeout', '10000'),
               ('client_connection_check_interval', '250')) AS s (name, value)
 WHERE current_setting(name, true) IS NOT NULL
