-- The server process that answers: behind a pooler another one than the client was told.
SELECT pg_backend_pid()
