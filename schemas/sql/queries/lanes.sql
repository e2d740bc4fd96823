-- The topics whose events wait for them, and those that refused events stop: how many of these. Millions may wait for a topic while a relay takes the lead:
-- it is looked up topic by topic.
WITH RECURSIVE waiting (topic) AS (
        (SELECT k.topic FROM postbus.parked k WHERE k.waits_for = 'topic' ORDER BY k.topic LIMIT 1)
        UNION ALL
        SELECT (SELECT k.topic FROM postbus.parked k WHERE k.waits_for = 'topic' AND k.topic > w.topic ORDER BY k.topic LIMIT 1)
          FROM waiting w WHERE w.topic IS NOT NULL)
SELECT topic, sum(stopping)
  FROM (SELECT w.topic, 0 AS stopping FROM waiting w WHERE w.topic IS NOT NULL
        UNION ALL
        SELECT k.topic, 1 FROM postbus.parked k WHERE k.stops_topic) t
 GROUP BY topic
