-- Removes dead letters, each with a row of the audit that says what it was: the parameters of dead_count, $8 the highest number that was counted, so that none
-- goes that has died since, and $9 why. Returns how many.
SELECT count(*) FILTER (WHERE d.gone)
  FROM (SELECT postbus_inbox.discard(c.n, $9::text) AS gone
          FROM postbus_inbox.chosen($1::text, $2::text, $3::text, $4::text, $5::bigint, $6::interval) c (n)
         WHERE c.n <= $8::bigint AND ($7::bytea IS NULL OR EXISTS (SELECT FROM postbus_inbox.dead k WHERE k.n = c.n AND k.key = $7))
         ORDER BY c.n) d
