-- Whether it is a primary, and where the outbox is at home.
SELECT CASE WHEN coalesce(w.strayed, w.ahead) IS NOT NULL THEN 'error' WHEN pg_is_in_recovery() THEN 'warning' ELSE 'ok' END AS level,
       CASE WHEN coalesce(w.strayed, w.ahead) IS NOT NULL THEN coalesce(w.strayed, w.ahead)
            WHEN pg_is_in_recovery() THEN 'the server is a standby'
            ELSE 'the server is a primary, and the one in which the outbox was made' END AS found,
       CASE WHEN coalesce(w.strayed, w.ahead) IS NOT NULL
            THEN 'With all relays stopped, run `postbus rebase`; after pg_upgrade, `postbus rebase --upgraded`.' END AS remedy
  FROM postbus.whereabouts() w
