-- Forgets wishes to redrive what does not wait for an operator any more, or for which something else was wished since, of those with the numbers behind
-- $1 up to $2; and the earlier wishes that they replaced.
WITH stale AS MATERIALIZED (
    SELECT w.n, w.id FROM postbus.wish w
     WHERE w.action = 'redrive' AND w.n > $1::bigint AND w.n <= $2::bigint
       AND ((SELECT k.waits_for FROM postbus.parked k WHERE k.id = w.id) IS DISTINCT FROM 'operator'
            OR (SELECT bool_or(l.n > w.n) FROM postbus.wish l WHERE l.id = w.id)))
DELETE FROM postbus.wish w USING stale s WHERE w.id = s.id AND w.n <= s.n AND w.id = ANY (ARRAY(SELECT id FROM stale))
