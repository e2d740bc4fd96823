-- Ends the sessions of members that stand still and hold what they were handling: their own reader has said nothing for 15 seconds, and lanes of instance $1
-- wait for them, or they have been in a transaction of the same subscription for as long: an event that had waited is passed over by those
-- who look for due ones. Readers speak every two seconds, or have not been answered yet. Of other roles' sessions PostgreSQL does not tell, and does not let
-- them be ended. Returns how many.
SELECT count(pg_terminate_backend(b.pid))
  FROM pg_stat_activity b JOIN pg_stat_activity mine ON mine.pid = pg_backend_pid() AND mine.usesysid = b.usesysid AND mine.datid = b.datid
 WHERE b.application_name LIKE 'postbus % lane %'
   AND NOT EXISTS (SELECT FROM pg_stat_activity r
                    WHERE r.application_name LIKE 'postbus ' || split_part(b.application_name, ' ', 2) || ' reader %'
                      AND (r.state = 'active' OR r.state_change > clock_timestamp() - interval '15 seconds'))
   AND (EXISTS (SELECT FROM pg_stat_activity waiting
                 WHERE waiting.usesysid = b.usesysid AND waiting.application_name LIKE 'postbus ' || $1 || ' lane %' AND waiting.wait_event_type = 'Lock'
                   AND b.pid = ANY (pg_blocking_pids(waiting.pid)))
        OR (split_part(b.application_name, ' ', 2) <> $1 AND b.xact_start < clock_timestamp() - interval '15 seconds'
            AND regexp_replace(b.application_name, '^postbus \S+ \S+ ', '') = regexp_replace(mine.application_name, '^postbus \S+ \S+ ', '')))
