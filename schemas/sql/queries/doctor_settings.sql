-- Settings, of this session or set for a role or database, under which a commit is less than it seems.
-- Three of them are so only beside synchronous standbys.
WITH known (name, value, level, beside_standbys, why, remedy) AS (VALUES
    ('fsync', 'off', 'error', false, 'A crash of the machine can lose or damage anything that was committed.', 'Set fsync = on.'),
    ('full_page_writes', 'off', 'error', false, 'A crash of the machine while a page is written can damage committed rows.', 'Set full_page_writes = on.'),
    ('zero_damaged_pages', 'on', 'error', false, 'A damaged page is replaced with an empty one, and its events vanish.', 'Set zero_damaged_pages = off.'),
    ('ignore_checksum_failure', 'on', 'error', false, 'Damaged pages are read as if they were sound.', 'Set ignore_checksum_failure = off.'),
    ('synchronous_commit', 'off', 'warning', false, 'A crash loses the last commits that applications were told of, and their events with them. (The relay makes durable what it publishes.)', 'Set synchronous_commit = on, or accept it knowingly.'),
    ('synchronous_commit', 'local', 'warning', true, 'Commits do not wait for the standbys of synchronous_standby_names: a failover can lose the last ones that applications were told of, and their events with them.', 'Set synchronous_commit = on, or accept it knowingly.'),
    ('synchronous_commit', 'remote_write', 'warning', true, 'Commits wait until a standby has written them, not until it has flushed them. They survive the loss of the primary alone, also where PostgreSQL crashes on the standby; if the standby''s machine fails at the same time, the last ones that applications were told of can be lost, and their events with them.', 'Set synchronous_commit = on, or accept it knowingly.'),
    ('synchronous_commit', 'remote_apply', 'warning', true, 'Commits wait until a standby has replayed all that came before, and there the TRUNCATE of an emptied leaf of the outbox waits for queries that read it, up to max_standby_streaming_delay.', 'Set synchronous_commit = on for those who publish, or keep queries of the outbox off that standby.'),
    ('session_replication_role', 'replica', 'warning', false, 'Triggers do not fire: publishers do not ring, and the relay finds their events at its next safety poll.', 'Set session_replication_role = origin.')
), bad AS (
    SELECT * FROM known k WHERE NOT k.beside_standbys OR current_setting('synchronous_standby_names') <> ''
), found AS (
    SELECT b.level, format('%s is %s', b.name, b.value) AS found, b.why, b.remedy
      FROM bad b JOIN pg_settings s ON s.name = b.name AND s.setting = b.value
    UNION ALL
    SELECT b.level, format('%s is %s for %s', b.name, b.value,
                           concat_ws(' in ', 'the role ' || r.rolname, 'the database ' || d.datname)), b.why, b.remedy
      FROM pg_db_role_setting o
     CROSS JOIN LATERAL unnest(o.setconfig) AS c (setting)
      JOIN bad b ON lower(c.setting) = b.name || '=' || b.value
      LEFT JOIN pg_roles r ON r.oid = o.setrole
      LEFT JOIN pg_database d ON d.oid = o.setdatabase
     WHERE o.setdatabase = 0 OR d.datname = current_database()
)
SELECT * FROM found
UNION ALL
SELECT 'ok', format('fsync and full_page_writes are on, synchronous_commit is %s', current_setting('synchronous_commit')), NULL, NULL
 WHERE NOT EXISTS (SELECT FROM found)
