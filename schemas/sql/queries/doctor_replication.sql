-- Standbys that follow, none of which a commit waits for.
SELECT CASE WHEN r.n > 0 AND s.names = '' THEN 'warning' ELSE 'ok' END AS level,
       CASE WHEN r.n = 0 THEN 'no standby follows'
            WHEN s.names = '' THEN format('%s standbys follow, and synchronous_standby_names is empty', r.n)
            ELSE format('%s standbys follow; synchronous_standby_names is %s', r.n, s.names) END AS found
  FROM (SELECT count(*) AS n FROM pg_stat_replication) r, (SELECT current_setting('synchronous_standby_names') AS names) s
