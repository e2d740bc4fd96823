-- Why a redrive does not choose event $1: whether it is wished for already, and a sentence.
SELECT coalesce(w.action = 'redrive', false) AS wished,
       CASE WHEN w.action = 'redrive' THEN format('event %s: redrive is wished for already, by %s', i.id, w.wished_by)
            WHEN w.action = 'discard' AND k.id IS NOT NULL THEN format('event %s is to be discarded, and not among those that the other flags choose', i.id)
            WHEN k.waits_for = 'operator' THEN format('event %s is refused, and not among those that the other flags choose', i.id)
            WHEN k.waits_for = 'topic' THEN format('event %s waits for its topic, and leaves by itself when that takes events again', i.id)
            WHEN k.waits_for = 'key' THEN format('event %s waits behind event %s of its key, and follows it: redrive or discard that one', i.id, f.id)
            WHEN d.id IS NOT NULL THEN format('event %s was discarded by %s, for good', i.id, d.discarded_by)
            WHEN e.state IS NOT NULL THEN format('event %s is not parked: it is %s', i.id, e.state)
            ELSE format('there is no event %s in the outbox; postbus parked list shows those that are parked', i.id) END AS sentence
  FROM (SELECT $1::bigint AS id) i
  LEFT JOIN postbus.parked k ON k.id = i.id
  LEFT JOIN LATERAL (SELECT x.action, x.wished_by FROM postbus.wish x WHERE x.id = i.id ORDER BY x.n DESC LIMIT 1) w ON true
  LEFT JOIN postbus.dead d ON d.id = i.id
  LEFT JOIN postbus.event e ON e.id = i.id
  LEFT JOIN LATERAL (SELECT p.id FROM postbus.parked p WHERE p.queue = k.queue AND p.n < k.n ORDER BY p.n LIMIT 1) f ON true
