-- The oldest pending event, against $1 seconds.
SELECT CASE WHEN b.pending > 0 AND a.age_s >= $1::bigint THEN 'warning' ELSE 'ok' END AS level,
       CASE WHEN b.pending > 0 THEN format('%s events are pending, the oldest for %s s', b.pending, a.age_s)
            ELSE 'no event is pending' END AS found
  FROM postbus.backlog() b,
       LATERAL (SELECT extract(epoch FROM clock_timestamp() - b.oldest_pending_at)::bigint AS age_s) a
