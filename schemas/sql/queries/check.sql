-- What must hold for a relay to lead. One row.
SELECT pg_backend_pid() AS backend,
       pg_is_in_recovery() AS in_recovery,
       CASE WHEN i.system_identifier <> (SELECT c.system_identifier FROM pg_control_system() c)
            THEN 'this database was restored or moved from another PostgreSQL cluster'
            WHEN i.database_oid <> (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
            THEN 'this database is a copy of another one of this PostgreSQL cluster'
            WHEN i.xmin::text::bigint <> i.written_xid::text::bigint & 4294967295 THEN 'this database was restored from a dump' END AS strayed,
       s.seqcache, s.seqincrement, s.seqcycle
  FROM postbus.instance i, pg_sequence s
 WHERE s.seqrelid = 'postbus.outbox_id_seq'::regclass
