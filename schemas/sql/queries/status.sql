-- How far the relay is, from the database alone. $1 is the advisory key that the leading relay holds. holder: the session that has it, be it the last
-- leader's, a relay's that is about to lead, or a stranger's.
SELECT b.pending,
       round(extract(epoch FROM clock_timestamp() - b.oldest_pending_at)::numeric, 3) AS oldest_pending_s,
       b.parked,
       p.published,
       CASE WHEN p.published > 0 THEN to_char(p.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS last_completed_at,
       (SELECT round(((p.published - min(r.published)) / greatest(extract(epoch FROM clock_timestamp() - min(r.at)), 0.001))::numeric, 1)
          FROM postbus.progress r
         WHERE r.n > p.n - 5000 AND r.at > clock_timestamp() - interval '10 s') AS published_per_s,
       CASE WHEN h.pid IS NULL OR h.pid = l.backend THEN l.relay END AS leader,
       CASE WHEN h.pid IS NULL OR h.pid = l.backend THEN to_char(l.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS leader_since,
       h.pid AS holder
  FROM postbus.backlog() b
 CROSS JOIN postbus.current_progress p
  LEFT JOIN LATERAL (SELECT s.relay, s.started_at, s.backend FROM postbus.leadership s ORDER BY s.epoch DESC LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT k.pid FROM pg_locks k
                      WHERE k.locktype = 'advisory' AND k.granted AND k.mode = 'ExclusiveLock' AND k.objsubid = 1
                        AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                        AND k.classid = (($1::bigint >> 32) & 4294967295)::oid AND k.objid = ($1::bigint & 4294967295)::oid LIMIT 1) h ON true;
