-- Ends the sessions for which lanes of instance $1 wait and whose own reader has said nothing for 15 seconds: their process stands still, and holds what it
-- was handling. Readers speak every two seconds, or have not been answered yet. Of other roles' sessions PostgreSQL does not tell, and does not let
-- them be ended. Returns how many.
SELECT count(pg_terminate_backend(b.pid))
  FROM pg_stat_activity mine CROSS JOIN LATERAL unnest(pg_blocking_pids(mine.pid)) AS blocking (pid) JOIN pg_stat_activity b ON b.pid = blocking.pid
 WHERE b.usesysid = mine.usesysid AND mine.application_name LIKE 'postbus ' || $1 || ' lane %' AND mine.wait_event_type = 'Lock'
   AND b.application_name LIKE 'postbus % lane %'
   AND NOT EXISTS (SELECT FROM pg_stat_activity r
                    WHERE r.application_name LIKE 'postbus ' || split_part(b.application_name, ' ', 2) || ' reader %'
                      AND (r.state = 'active' OR r.state_change > clock_timestamp() - interval '15 seconds'))
