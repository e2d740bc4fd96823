-- Dead letters are tried again in the order of their keys, also those that were tried again before.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What chosen returns, with its order in each key: that of the partition, since an event that dies once more has a higher number. Of a key that has several
-- partitions, as the topic was given more, or whose offsets began again, as it was made anew, those come first of which one was set aside first.
CREATE FUNCTION postbus_inbox.chosen_in_order(p_application text, p_subscription text, p_topic text, p_reason text, p_n bigint, p_older_than interval)
RETURNS TABLE (n bigint, place bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH anew AS MATERIALIZED (SELECT g.source, g.partition, g.noticed_at FROM postbus_inbox.gap g WHERE g.reason = 'made_anew'),
    event AS (
        SELECT d.n, d.source, d.queue, d.partition, d.kafka_offset, d.first_at,
               (SELECT count(*) FROM anew a WHERE a.source = d.source AND a.partition = d.partition AND a.noticed_at <= d.first_at) AS incarnation
          FROM postbus_inbox.chosen(p_application, p_subscription, p_topic, p_reason, p_n, p_older_than) c (n) JOIN postbus_inbox.dead d ON d.n = c.n),
    run AS (
        SELECT e.n, e.kafka_offset, min(e.first_at) OVER (PARTITION BY e.source, e.queue, e.partition, e.incarnation) AS began_at FROM event e)
    SELECT r.n, row_number() OVER (ORDER BY r.began_at, r.kafka_offset, r.n) FROM run r
$$;
COMMENT ON FUNCTION postbus_inbox.chosen_in_order(text, text, text, text, bigint, interval) IS 'The numbers of the dead letters that chosen returns, and their order within each key.';
REVOKE ALL ON FUNCTION postbus_inbox.chosen_in_order(text, text, text, text, bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus_inbox.chosen_in_order(text, text, text, text, bigint, interval) TO postbus_operator;

-- Makes dead letters wait again, due now, with all their attempts ahead and their history kept: in their order, each behind what waits of its key, or what is
-- being handled (has_company).
CREATE OR REPLACE FUNCTION postbus_inbox.redrive(application text DEFAULT NULL, subscription text DEFAULT NULL, topic text DEFAULT NULL, reason text DEFAULT NULL,
                                      n bigint DEFAULT NULL, older_than interval DEFAULT NULL, why text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    event_n bigint;
    event postbus_inbox.dead;
    behind boolean;
    n_events bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(8101821198368076550);  -- SQL_LOCK_REDRIVE: two at once would each make an event of one key due
    FOR event_n IN SELECT c.n FROM postbus_inbox.chosen_in_order(application, subscription, topic, reason, n, older_than) c
                    ORDER BY c.place LOOP
        DELETE FROM postbus_inbox.dead d WHERE d.n = event_n RETURNING d.* INTO event;
        CONTINUE WHEN NOT FOUND;  -- another operator was faster
        behind := event.queue IS NOT NULL AND postbus_inbox.is_queued(event.subscription, event.queue);
        INSERT INTO postbus_inbox.waiting (subscription, source, partition, kafka_offset, identity, queue, event_id, type, key, value, header_names,
                                           header_values, record_ms, attempts, due_at, first_at, last_error, history, beside)
        VALUES (event.subscription, event.source, event.partition, event.kafka_offset, event.identity, event.queue, event.event_id, event.type, event.key,
                event.value, event.header_names, event.header_values, event.record_ms, 0, CASE WHEN NOT behind THEN clock_timestamp() END, event.first_at,
                event.last_error, event.history, CASE WHEN NOT behind THEN '{}'::text[] END);
        n_events := n_events + 1;
    END LOOP;
    INSERT INTO postbus_inbox.audit (who, action, what, n_events, why)
    VALUES (session_user, 'redrive',
            jsonb_strip_nulls(jsonb_build_object('application', application, 'subscription', subscription, 'topic', topic, 'reason', reason, 'n', n,
                                                 'older_than', older_than::text)), n_events, why);
    RETURN n_events;
END $$;
