-- Who holds the leader's lock, $2, and what waits if nobody does.
WITH holder AS (
    SELECT k.pid, EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = k.pid AND a.application_name = 'postbus-relay') AS is_relay
      FROM pg_locks k
     WHERE k.locktype = 'advisory' AND k.granted AND k.mode = 'ExclusiveLock' AND k.objsubid = 1
       AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND k.classid = (($2::bigint >> 32) & 4294967295)::oid AND k.objid = ($2::bigint & 4294967295)::oid
), last AS (
    SELECT l.relay, l.backend FROM postbus.leadership l ORDER BY l.epoch DESC LIMIT 1
)
SELECT CASE WHEN h.pid IS NULL AND b.pending + b.parked > 0 THEN 'error'
            WHEN h.pid IS NOT NULL AND h.pid IS DISTINCT FROM l.backend THEN 'warning' ELSE 'ok' END AS level,
       CASE WHEN h.pid IS NULL AND b.pending + b.parked > 0
            THEN format('no relay leads, and %s events are pending, %s parked', b.pending, b.parked)
            WHEN h.pid IS NULL THEN 'no relay leads, and no event waits'
            WHEN h.pid IS DISTINCT FROM l.backend AND h.is_relay THEN format('the relay of session %s is taking the lead', h.pid)
            WHEN h.pid IS DISTINCT FROM l.backend
            THEN format('the leader''s lock is held by the session %s, which is no relay', h.pid)
            ELSE format('%s leads', l.relay) END AS found,
       CASE WHEN h.pid IS DISTINCT FROM l.backend AND h.is_relay
            THEN 'It leads once it has found out, of Kafka and of the database, where the last leader ended; its log, and /readyz, tell what it waits for.'
            WHEN h.pid IS NOT NULL AND h.pid IS DISTINCT FROM l.backend
            THEN format('Find out what that session is: SELECT * FROM pg_stat_activity WHERE pid = %s.', h.pid) END AS remedy
  FROM postbus.backlog() b LEFT JOIN holder h ON true LEFT JOIN last l ON true
