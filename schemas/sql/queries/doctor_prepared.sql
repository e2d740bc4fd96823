-- Prepared transactions older than $1 seconds, of any database: all of them hold vacuum back, and ours may hold events.
WITH old AS (
    SELECT p.gid, p.owner, p.database, p.transaction, extract(epoch FROM clock_timestamp() - p.prepared)::bigint AS age_s,
           EXISTS (SELECT FROM pg_locks x JOIN pg_locks l USING (virtualtransaction)
                    WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.mode = 'ExclusiveLock'
                      AND l.pid IS NULL AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
                      AND l.relation = 'postbus.outbox'::regclass AND p.database = current_database()) AS publishes
      FROM pg_prepared_xacts p
     WHERE p.prepared <= clock_timestamp() - make_interval(secs => $1::bigint)
)
SELECT 'warning' AS level,
       format('%L of %s in the database %s is prepared for %s s%s', o.gid, o.owner, o.database, o.age_s,
              CASE WHEN o.publishes THEN ' and has published events' ELSE '' END) AS found,
       format('COMMIT PREPARED %L or ROLLBACK PREPARED %L, in the database %s', o.gid, o.gid, o.database) AS remedy
  FROM old o
UNION ALL
SELECT 'ok', format('none older than %s s', $1), NULL WHERE NOT EXISTS (SELECT FROM old)
