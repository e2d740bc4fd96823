-- What a rebase would do; $1: whether the cluster was upgraded, $2: the advisory key that a leading relay holds.
SELECT r.mode, r.reason, r.n_again, r.first_id, r.last_id, r.n_since,
       EXISTS (SELECT FROM pg_locks k
                WHERE k.locktype = 'advisory' AND k.granted AND k.mode = 'ExclusiveLock' AND k.objsubid = 1
                  AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                  AND k.classid = (($2::bigint >> 32) & 4294967295)::oid AND k.objid = ($2::bigint & 4294967295)::oid) AS leading
  FROM postbus.rebase_plan($1::boolean) r
