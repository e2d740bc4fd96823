-- A worker's session. A host that is gone keeps no lock for long: libpq's own settings do not reach the server's side of a connection.
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 15000;
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SELECT set_config(name, '0', false) FROM unnest('{idle_session_timeout,transaction_timeout}'::text[]) AS name WHERE current_setting(name, true) IS NOT NULL;
