-- A relay took the lead: $1 what it calls itself.
INSERT INTO postbus.leadership (relay, backend) VALUES ($1, pg_backend_pid()) RETURNING epoch
