-- Which subscriptions an end would end, and what stays of each: $1 application, $2 key (NULL: all).
SELECT s.application, s.key AS subscription, array_to_string(s.topics, ',') AS topics,
       (SELECT count(*) FROM postbus_inbox.waiting w WHERE w.subscription = s.id) AS waiting,
       (SELECT count(*) FROM postbus_inbox.dead d WHERE d.subscription = s.id) AS dead
  FROM postbus_inbox.subscription s
 WHERE s.application = $1::text AND ($2::text IS NULL OR s.key = $2) AND s.ended_at IS NULL
 ORDER BY s.key
