-- Where the last leader got to, and that its snapshot is the session's until a new one is taken.
SELECT s1, x1, l1, s2, x2, l2, done_id, floor_id, published, set_config('postbus.s2', s2::text, false)
  FROM postbus.current_progress
