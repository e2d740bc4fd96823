-- The topics whose events wait for them, and those that refused events stop: how many of these, and why the newest that waits for its topic does.
-- Millions may wait for a topic while a relay takes the lead: it is looked up topic by topic.
WITH RECURSIVE waiting (topic) AS (
        (SELECT k.topic FROM postbus.parked k WHERE k.waits_for = 'topic' ORDER BY k.topic LIMIT 1)
        UNION ALL
        SELECT (SELECT k.topic FROM postbus.parked k WHERE k.waits_for = 'topic' AND k.topic > w.topic ORDER BY k.topic LIMIT 1)
          FROM waiting w WHERE w.topic IS NOT NULL)
SELECT s.topic, s.stopping, k.reason, k.error_code
  FROM (SELECT topic, sum(stopping) AS stopping
          FROM (SELECT w.topic, 0 AS stopping FROM waiting w WHERE w.topic IS NOT NULL
                UNION ALL
                SELECT k.topic, 1 FROM postbus.parked k WHERE k.stops_topic) t
         GROUP BY topic) s
  LEFT JOIN LATERAL (SELECT p.reason, p.error_code FROM postbus.parked p WHERE p.topic = s.topic AND p.waits_for = 'topic' ORDER BY p.n DESC LIMIT 1) k
         ON true
