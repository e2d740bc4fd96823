-- The topics that have parked events, and how many.
SELECT topic, count(*) FROM postbus.parked GROUP BY topic
