-- Whether the outbox is where it was left, and, after a failover, the beginning of a new identity. Holds the leader's lock.
SELECT coalesce(w.strayed, w.ahead), a.after_id IS NOT NULL, a.timeline_before, a.timeline_now, a.after_id
  FROM postbus.whereabouts() w, postbus.adopt_timeline() a
