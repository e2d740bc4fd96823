-- Has the dead letters of key $7 tried again, in their order, each with a row of the audit: the parameters of dead_count, and $8 why.
SELECT coalesce(sum(r.n), 0)
  FROM (SELECT postbus_inbox.redrive(n => c.n, why => $8::text) AS n
          FROM postbus_inbox.chosen_in_order($1::text, $2::text, $3::text, $4::text, $5::bigint, $6::interval) c
         WHERE EXISTS (SELECT FROM postbus_inbox.dead d WHERE d.n = c.n AND d.key = $7::bytea)
         ORDER BY c.place) r
