-- How many dead letters are chosen, and the highest number of them: $1 application, $2 subscription, $3 topic, $4 reason, $5 number, $6 longer dead than,
-- $7 key; NULL: any.
SELECT count(*), max(c.n)
  FROM postbus_inbox.chosen($1::text, $2::text, $3::text, $4::text, $5::bigint, $6::interval) c (n)
 WHERE $7::bytea IS NULL OR EXISTS (SELECT FROM postbus_inbox.dead d WHERE d.n = c.n AND d.key = $7)
