-- Parked events by topic and reason: the fifty largest groups, and the rest in one, so that a monitor's labels stay few.
SELECT CASE WHEN g.place <= 50 THEN g.topic ELSE '(others)' END,
       CASE WHEN g.place <= 50 THEN g.reason ELSE '(others)' END,
       sum(g.n)
  FROM (SELECT k.topic, left(k.reason, 60) AS reason, count(*) AS n,
               row_number() OVER (ORDER BY count(*) DESC, k.topic, left(k.reason, 60)) AS place
          FROM postbus.parked k
         GROUP BY 1, 2) g
 GROUP BY 1, 2
 ORDER BY 1, 2
