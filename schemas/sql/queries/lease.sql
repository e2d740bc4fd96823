-- $1: after how many milliseconds of silence the server ends the leader's session, and so frees its lock. PostgreSQL 13 cannot; there only the
-- keepalives of TCP end the session of a machine that is gone.
SELECT set_config('idle_session_timeout', $1::text, false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL
