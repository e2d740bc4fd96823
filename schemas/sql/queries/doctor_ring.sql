-- How far the current leaf of the ring is used up, and whether events of the last round are still in the next one.
WITH ring AS MATERIALIZED (
    SELECT (s.last_value >> 30) & 15 AS leaf, ((s.last_value >> 30) + 1) & 15 AS next,
           (s.last_value & 1073741823) * 100 / 1073741824 AS full_percent FROM postbus.outbox_id_seq s
), state AS (
    SELECT r.*, EXISTS (SELECT FROM postbus.outbox o WHERE ((o.id >> 30) & 15) = (SELECT next FROM ring)) AS next_holds FROM ring r
)
SELECT CASE WHEN s.next_holds AND s.full_percent >= 75 THEN 'warning' ELSE 'ok' END AS level,
       format('leaf %s of 0 to 15 is %s %% full; the next one, %s, %s', s.leaf, s.full_percent, s.next,
              CASE WHEN s.next_holds THEN 'still holds events of the last round' ELSE 'is empty' END) AS found
  FROM state s
