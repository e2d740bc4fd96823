-- What operators do with dead letters, and who did it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE postbus_inbox.audit (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    who      text NOT NULL,
    action   text COLLATE "C" NOT NULL CHECK (action IN ('redrive', 'discard')),
    what     jsonb NOT NULL,
    n_events bigint NOT NULL,
    why      text
);
COMMENT ON TABLE postbus_inbox.audit IS 'What operators did with dead letters: one row a call. Never changed and never removed.';
COMMENT ON COLUMN postbus_inbox.audit.n IS 'The order.';
COMMENT ON COLUMN postbus_inbox.audit.at IS 'When.';
COMMENT ON COLUMN postbus_inbox.audit.who IS 'Which role, as it logged in.';
COMMENT ON COLUMN postbus_inbox.audit.action IS 'redrive or discard.';
COMMENT ON COLUMN postbus_inbox.audit.what IS 'What was chosen: application, subscription, topic, reason, n, older_than; of a discarded event also where it came from.';
COMMENT ON COLUMN postbus_inbox.audit.n_events IS 'How many dead letters.';
COMMENT ON COLUMN postbus_inbox.audit.why IS 'The reason that was given.';

-- The numbers of dead letters as operators choose them; what is NULL does not matter.
CREATE FUNCTION postbus_inbox.chosen(p_application text, p_subscription text, p_topic text, p_reason text, p_n bigint, p_older_than interval)
RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.n FROM postbus_inbox.dead d JOIN postbus_inbox.subscription s ON s.id = d.subscription JOIN postbus_inbox.source o ON o.id = d.source
     WHERE (p_application IS NULL OR s.application = p_application) AND (p_subscription IS NULL OR s.key = p_subscription)
       AND (p_topic IS NULL OR o.topic = p_topic) AND (p_reason IS NULL OR d.reason = p_reason) AND (p_n IS NULL OR d.n = p_n)
       AND (p_older_than IS NULL OR d.died_at < clock_timestamp() - p_older_than)
$$;
COMMENT ON FUNCTION postbus_inbox.chosen(text, text, text, text, bigint, interval) IS 'The numbers of the dead letters of an application, a subscription, a topic, a reason, a number, or longer dead than an interval.';

-- Makes dead letters wait again, due now, with all their attempts ahead and their history kept: in their order, each behind what waits of its key, or what is
-- being handled (has_company).
CREATE FUNCTION postbus_inbox.redrive(application text DEFAULT NULL, subscription text DEFAULT NULL, topic text DEFAULT NULL, reason text DEFAULT NULL,
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
    FOR event_n IN SELECT c.n FROM postbus_inbox.chosen(application, subscription, topic, reason, n, older_than) c (n) ORDER BY c.n LOOP
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
COMMENT ON FUNCTION postbus_inbox.redrive(text, text, text, text, bigint, interval, text) IS
'Has dead letters tried again: all, or those of an application, subscription, topic, reason or number, or longer dead than older_than. Returns how many.';

CREATE FUNCTION postbus_inbox.discard(n bigint, why text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    event postbus_inbox.dead;
BEGIN
    IF coalesce(btrim(why), '') = '' THEN
        RAISE EXCEPTION 'postbus: no reason is given for discarding dead letter %', n
            USING ERRCODE = 'PB008', HINT = 'Say why the event shall never be handled: it is kept in postbus_inbox.audit.';
    END IF;
    DELETE FROM postbus_inbox.dead d WHERE d.n = n RETURNING d.* INTO event;
    IF event.n IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO postbus_inbox.audit (who, action, what, n_events, why)
    SELECT session_user, 'discard',
           jsonb_strip_nulls(jsonb_build_object('application', s.application, 'subscription', s.key, 'n', event.n, 'topic', o.topic, 'partition',
                                                event.partition, 'offset', event.kafka_offset, 'event_id', event.event_id, 'reason', event.reason)), 1, why
      FROM postbus_inbox.subscription s JOIN postbus_inbox.source o ON o.subscription = s.id
     WHERE s.id = event.subscription AND o.id = event.source;
    RETURN true;
END $$;
COMMENT ON FUNCTION postbus_inbox.discard(bigint, text) IS 'Removes a dead letter for good. false: there is none of that number.';

-- By the rights of whoever asks, which are looked at when it is called: one statement shows a dead letter to those who may see this and to those who may not.
CREATE FUNCTION postbus_inbox.dead_payload(p_n bigint, OUT value bytea, OUT header_names bytea[], OUT header_values bytea[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT d.value, d.header_names, d.header_values INTO value, header_names, header_values FROM postbus_inbox.dead d WHERE d.n = p_n;
END $$;
COMMENT ON FUNCTION postbus_inbox.dead_payload(bigint) IS 'What is in a dead letter, for those who may read the column.';

REVOKE ALL ON FUNCTION postbus_inbox.dead_payload(bigint), postbus_inbox.chosen(text, text, text, text, bigint, interval), postbus_inbox.discard(bigint, text),
                       postbus_inbox.redrive(text, text, text, text, bigint, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus_inbox.chosen(text, text, text, text, bigint, interval) TO postbus_viewer, postbus_operator;
GRANT EXECUTE ON FUNCTION postbus_inbox.dead_payload(bigint) TO postbus_subscriber, postbus_viewer, postbus_operator;
GRANT EXECUTE ON FUNCTION postbus_inbox.discard(bigint, text), postbus_inbox.redrive(text, text, text, text, bigint, interval, text) TO postbus_operator;
GRANT SELECT ON postbus_inbox.audit TO postbus_viewer, postbus_operator;
