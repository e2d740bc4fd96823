-- Subscriptions: of application $1 (NULL: of all), those that have ended only where $2; how far they are, what waits, and what is dead.
SELECT s.application, s.key AS subscription, array_to_string(s.topics, ',') AS topics, s.filter, s.options,
       to_char(s.subscribed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS subscribed_at,
       to_char(s.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ended_at,
       (SELECT count(*) FROM postbus_inbox.position p JOIN postbus_inbox.source o ON o.id = p.source WHERE o.subscription = s.id) AS partitions,
       (SELECT to_char(max(p.moved_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
          FROM postbus_inbox.position p JOIN postbus_inbox.source o ON o.id = p.source WHERE o.subscription = s.id) AS moved_at,
       (SELECT count(*) FROM postbus_inbox.waiting w WHERE w.subscription = s.id) AS waiting,
       (SELECT count(*) FROM postbus_inbox.dead d WHERE d.subscription = s.id) AS dead,
       (SELECT count(*) FROM postbus_inbox.gap g JOIN postbus_inbox.source o ON o.id = g.source WHERE o.subscription = s.id) AS gaps
  FROM postbus_inbox.subscription s
 WHERE ($1::text IS NULL OR s.application = $1) AND (s.ended_at IS NULL OR $2::boolean)
 ORDER BY s.application, s.key
