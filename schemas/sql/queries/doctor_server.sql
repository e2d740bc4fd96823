-- Whether it is a primary, and the cluster whose transaction ids the outbox has stored.
SELECT CASE WHEN i.system_identifier <> c.system_identifier THEN 'error' WHEN pg_is_in_recovery() THEN 'warning' ELSE 'ok' END AS level,
       CASE WHEN i.system_identifier <> c.system_identifier
            THEN 'the database was restored or moved from another PostgreSQL cluster'
            WHEN pg_is_in_recovery() THEN 'the server is a standby'
            ELSE 'the server is a primary, and the one in which the outbox was made' END AS found,
       CASE WHEN i.system_identifier <> c.system_identifier
            THEN 'See "After a restore" in docs/guarantees.md.' END AS remedy
  FROM postbus.instance i, pg_control_system() c
