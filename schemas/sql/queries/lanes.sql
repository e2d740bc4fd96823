-- The topics whose events wait: how many of them for the topic, and how many refused ones stop it.
SELECT topic, sum(waiting), sum(stopping)
  FROM (SELECT k.topic, count(*) AS waiting, 0 AS stopping FROM postbus.parked k WHERE k.waits_for = 'topic' GROUP BY k.topic
        UNION ALL
        SELECT k.topic, 0, count(*) FROM postbus.parked k WHERE k.stops_topic GROUP BY k.topic) t
 GROUP BY topic
