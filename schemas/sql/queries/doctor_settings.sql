-- Settings, of this session or set for a role or database, under which a commit is less than it seems.
WITH bad (name, value, level, why, remedy) AS (VALUES
    ('fsync', 'off', 'error', 'A crash of the machine can lose or damage anything that was committed.', 'Set fsync = on.'),
    ('full_page_writes', 'off', 'error', 'A crash of the machine while a page is written can damage committed rows.', 'Set full_page_writes = on.'),
    ('zero_damaged_pages', 'on', 'error', 'A damaged page is replaced with an empty one, and its events vanish.', 'Set zero_damaged_pages = off.'),
    ('ignore_checksum_failure', 'on', 'error', 'Damaged pages are read as if they were sound.', 'Set ignore_checksum_failure = off.'),
    ('synchronous_commit', 'off', 'warning', 'A crash loses the last commits that applications were told of, and their events with them. (The relay makes durable what it publishes.)', 'Set synchronous_commit = on, or accept it knowingly.'),
    ('session_replication_role', 'replica', 'warning', 'Triggers do not fire: publishers do not ring, and the relay finds their events at its next safety poll.', 'Set session_replication_role = origin.')
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
SELECT 'ok', 'fsync, full_page_writes and synchronous_commit are on', NULL, NULL WHERE NOT EXISTS (SELECT FROM found)
