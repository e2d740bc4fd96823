-- Ends the session of a leader that has been silent for longer than its lease, where PostgreSQL does not by itself: PostgreSQL 13, which has no
-- idle_session_timeout; and a session that is in the middle of an answer that nobody takes, which counts as busy. $1 is the advisory key of the
-- lead, $2 the first half of the one whose second half is the length of the leader's lease (lease_length.sql). Only sessions of the same role, which
-- may always be ended.
SELECT a.pid, pg_terminate_backend(a.pid)
  FROM pg_locks lead
  JOIN pg_locks term ON term.pid = lead.pid
  JOIN pg_stat_activity a ON a.pid = lead.pid
 WHERE lead.locktype = 'advisory' AND lead.granted AND lead.objsubid = 1
   AND lead.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   AND lead.classid::bigint << 32 | lead.objid::bigint = $1::bigint
   AND term.locktype = 'advisory' AND term.granted AND term.objsubid = 2 AND term.database = lead.database
   AND term.classid::bigint = $2::bigint
   AND a.usename = session_user
   AND (a.state = 'idle' OR a.wait_event = 'ClientWrite')
   AND clock_timestamp() - a.state_change > term.objid::bigint * interval '1 ms'
