-- Of each of the subscriptions $1: how many events wait, for how many seconds the first of them has, how many dead letters there are, and how many
-- members hold partitions.
SELECT s.id, w.n, w.oldest_s,
       (SELECT count(*) FROM postbus_inbox.dead d WHERE d.subscription = s.id),
       (SELECT count(DISTINCT p.owner) FROM postbus_inbox.position p JOIN postbus_inbox.source o ON o.id = p.source
         WHERE o.subscription = s.id AND p.held)
  FROM unnest($1::int[]) AS s (id)
 CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(extract(epoch FROM clock_timestamp() - min(first_at)), 0) AS oldest_s
                       FROM postbus_inbox.waiting WHERE subscription = s.id) w
