-- Open transactions older than $1 seconds. Without pg_read_all_stats the age of other roles' transactions is hidden, which is told; where such a one is a
-- million transactions behind, so is that one.
WITH session AS (
    SELECT a.pid, a.usename, a.datname, a.application_name, extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS age_s,
           greatest(age(a.backend_xid), age(a.backend_xmin)) AS behind, a.query = '<insufficient privilege>' AS hidden,
           EXISTS (SELECT FROM pg_locks l
                    WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
                      AND l.relation = 'postbus.outbox'::regclass AND a.datname = current_database()) AS publishes
      FROM pg_stat_activity a
     WHERE a.pid <> pg_backend_pid() AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL OR a.xact_start IS NOT NULL)
       AND a.usename IS NOT NULL
), old AS (
    SELECT * FROM session s WHERE s.age_s >= $1::bigint OR (s.hidden AND s.behind > 1000000)
)
SELECT 'warning' AS level,
       format('the session %s of %s (%s) in the database %s has a transaction open for %s%s', o.pid, o.usename,
              coalesce(nullif(o.application_name, ''), 'unnamed'), o.datname,
              coalesce(o.age_s || ' s', format('%s transactions', o.behind)),
              CASE WHEN o.publishes THEN ' and has published events' ELSE '' END) AS found,
       format('See what it waits for in pg_stat_activity; SELECT pg_terminate_backend(%s) ends it and rolls it back.', o.pid) AS remedy
  FROM old o
UNION ALL
SELECT 'warning', format('the role %s lacks pg_read_all_stats: how old the transactions of other roles are was not looked at', current_user),
       format('GRANT pg_read_all_stats TO %I; pg_monitor contains it.', current_user)
 WHERE NOT pg_has_role('pg_read_all_stats', 'USAGE')
UNION ALL
SELECT 'ok', format('none older than %s s', $1), NULL
 WHERE NOT EXISTS (SELECT FROM old) AND pg_has_role('pg_read_all_stats', 'USAGE')
