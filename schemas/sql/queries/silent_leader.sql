-- The session that leads, where it waits for its relay, with the time of its last change of state, in microseconds, and the length of its lease, in
-- milliseconds; and ends it, where that is still the session $3 of the time $4, which says that it has been silent for longer than its lease.
-- How long that was the one who asks has measured: the server's time of day may be stepped. PostgreSQL does not end such a session by
-- itself: version 13 has no idle_session_timeout; one that has taken a part of what its relay has to say counts as busy (ClientRead), and so does one
-- in the middle of an answer that nobody takes (ClientWrite). Over TCP the latter is left to tcp_user_timeout, which tells a relay that reads slowly from
-- one that does not read. $1 is the advisory key of the lead, $2 the first half of the one whose second half is the length of the leader's lease
-- (lease_length.sql). Only sessions of the same role, which may always be ended, unless SET ROLE took that away.
SELECT l.pid, l.changed_us, l.lease_ms,
       CASE WHEN l.pid = $3::int AND l.changed_us = $4::bigint THEN pg_terminate_backend(l.pid) ELSE false END
  FROM (SELECT a.pid, (extract(epoch FROM a.state_change) * 1000000)::bigint AS changed_us, term.objid::bigint AS lease_ms
          FROM pg_locks lead
          JOIN pg_locks term ON term.pid = lead.pid
          JOIN pg_stat_activity a ON a.pid = lead.pid
         WHERE lead.locktype = 'advisory' AND lead.granted AND lead.objsubid = 1
           AND lead.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
           AND lead.classid::bigint << 32 | lead.objid::bigint = $1::bigint
           AND term.locktype = 'advisory' AND term.granted AND term.objsubid = 2 AND term.database = lead.database
           AND term.classid::bigint = $2::bigint
           AND a.usename = session_user AND pg_has_role(a.usesysid, 'USAGE')
           AND (a.state = 'idle' OR a.wait_event = 'ClientRead' OR (a.wait_event = 'ClientWrite' AND a.client_addr IS NULL))) l
