-- How far the relay is, from the database alone. $1 is the advisory key that the leading relay holds.
SELECT b.pending,
       round(extract(epoch FROM clock_timestamp() - b.oldest_pending_at)::numeric, 3) AS oldest_pending_s,
       b.parked,
       p.published,
       CASE WHEN p.published > 0 THEN to_char(p.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS last_completed_at,
       (SELECT round(((p.published - min(r.published)) / greatest(extract(epoch FROM clock_timestamp() - min(r.at)), 0.001))::numeric, 1)
          FROM postbus.progress r
         WHERE r.n > p.n - 5000 AND r.at > clock_timestamp() - interval '10 s') AS published_per_s,
       l.relay AS leader,
       to_char(l.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS leader_since,
       EXISTS (SELECT FROM pg_locks k
                WHERE k.locktype = 'advisory' AND k.granted AND k.mode = 'ExclusiveLock' AND k.objsubid = 1
                  AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                  AND k.classid = (($1::bigint >> 32) & 4294967295)::oid AND k.objid = ($1::bigint & 4294967295)::oid) AS leading
  FROM postbus.backlog() b
 CROSS JOIN postbus.current_progress p
  LEFT JOIN LATERAL (SELECT s.relay, s.started_at FROM postbus.leadership s ORDER BY s.epoch DESC LIMIT 1) l ON true;
