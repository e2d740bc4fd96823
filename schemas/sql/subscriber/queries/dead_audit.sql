-- What operators did in this database of a subscriber, the newest first: at most $1; and how many there are in all.
SELECT a.n, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, a.who, a.action, a.n_events, a.why, a.what, a.total
  FROM (SELECT x.*, count(*) OVER () AS total FROM postbus_inbox.audit x ORDER BY x.n DESC LIMIT $1::bigint) a
 ORDER BY a.n DESC
