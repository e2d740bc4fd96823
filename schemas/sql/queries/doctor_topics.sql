-- The topics with waiting or recent events: whether any wait, the age in seconds of the oldest that does, whether any has no key.
-- At most 10,000 events of each kind are looked at.
WITH known AS (
    (SELECT o.topic, o.key, o.created_at, false AS waits FROM postbus.outbox o ORDER BY o.id DESC LIMIT 10000)
    UNION ALL
    (SELECT o.topic, o.key, o.created_at, true
       FROM postbus.current_progress p JOIN postbus.outbox o ON o.id > p.floor_id
      WHERE NOT (pg_visible_in_snapshot(o.xid, p.s1) OR (pg_visible_in_snapshot(o.xid, p.s2) AND o.id <= p.done_id))
      ORDER BY o.id LIMIT 10000)
    UNION ALL
    (SELECT k.topic, k.key, o.created_at, true
       FROM postbus.parked k JOIN postbus.outbox o ON o.id = k.id ORDER BY k.n LIMIT 10000)
)
SELECT k.topic, bool_or(k.waits) AS waits,
       coalesce(extract(epoch FROM clock_timestamp() - min(k.created_at) FILTER (WHERE k.waits)), 0)::bigint AS oldest_s,
       bool_or(k.key IS NULL) AS keyless
  FROM known k GROUP BY k.topic ORDER BY k.topic LIMIT 500
