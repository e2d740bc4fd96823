-- What must hold for a relay to lead. One row.
SELECT pg_backend_pid() AS backend,
       pg_is_in_recovery() AS in_recovery,
       i.system_identifier = (SELECT c.system_identifier FROM pg_control_system() c) AS same_cluster,
       i.outbox_id,
       s.seqcache, s.seqincrement, s.seqcycle
  FROM postbus.instance i, pg_sequence s
 WHERE s.seqrelid = 'postbus.outbox_id_seq'::regclass
