-- One event that is parked or dead, or was published before its discard was carried out: $1 its id.
SELECT k.id, e.event_id, k.state, k.topic, k.key, e.type, k.reason, k.error_code, k.attempts, k.waits_for, k.behind,
       to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
       to_char(k.parked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS parked_at,
       to_char(k.attempted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS attempted_at,
       k.wish, k.by, to_char(k.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, k.why
  FROM (SELECT p.id, 'parked' AS state, p.topic, p.key, p.reason, p.error_code, p.attempts, p.waits_for, p.parked_at, p.attempted_at,
               CASE WHEN p.queue IS NOT NULL THEN (SELECT count(*) FROM postbus.parked f WHERE f.queue = p.queue AND f.n > p.n) END AS behind,
               w.action AS wish, w.wished_by AS by, w.wished_at AS at, w.why
          FROM postbus.parked p LEFT JOIN LATERAL (SELECT x.* FROM postbus.wish x WHERE x.id = p.id ORDER BY x.n DESC LIMIT 1) w ON true
         WHERE p.id = $1::bigint
        UNION ALL
        SELECT d.id, 'dead', d.topic, d.key, d.reason, d.error_code, d.attempts, NULL, d.parked_at, NULL, NULL, 'discard', d.discarded_by, d.died_at, d.why
          FROM postbus.dead d WHERE d.id = $1::bigint
        UNION ALL
        SELECT * FROM (SELECT $1::bigint, 'published', o.topic, o.key, NULL, NULL::int, NULL::int, NULL, NULL::timestamptz, NULL::timestamptz, NULL::bigint, 'discard', a.who,
                              a.at, a.why
                         FROM postbus.audit a LEFT JOIN postbus.event o ON o.id = $1::bigint
                        WHERE a.action = 'discard' AND a.what @> jsonb_build_object('id', $1::bigint, 'outcome', 'published')
                        ORDER BY a.n DESC LIMIT 1) late) k
  LEFT JOIN postbus.event e ON e.id = k.id
