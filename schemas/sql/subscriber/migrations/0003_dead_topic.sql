-- Dead letters that go to a topic as well, through the outbox of the same database.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Publishes the dead letter p_n to p_topic in this transaction, with the event's key, value, type and headers (those that are text; of several with one
-- name the last), and where it came from and why it is dead. Returns NULL, or why the outbox does not take it: the event is dead all the same, in the
-- table, since one that cannot be published must not be tried for ever. Under the caller's rights, as all publishing.
CREATE FUNCTION postbus_inbox.publish_dead(p_n bigint, p_topic text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    letter postbus_inbox.dead;
    headers jsonb := '{}';
    header record;
BEGIN
    SELECT d.* INTO letter FROM postbus_inbox.dead d WHERE d.n = p_n;
    FOR header IN SELECT h.name, h.value FROM unnest(letter.header_names, letter.header_values) WITH ORDINALITY AS h (name, value, i)
                   WHERE h.value IS NOT NULL AND h.name NOT IN ('', 'id', 'type') ORDER BY h.i LOOP
        BEGIN
            headers := headers || jsonb_build_object(convert_from(header.name, 'UTF8'), convert_from(header.value, 'UTF8'));
        EXCEPTION WHEN data_exception OR untranslatable_character OR character_not_in_repertoire THEN
            NULL;  -- bytes that are no text: the table has them
        END;
    END LOOP;
    SELECT headers || jsonb_strip_nulls(jsonb_build_object(
               'original-topic', o.topic, 'original-partition', letter.partition::text, 'original-offset', letter.kafka_offset::text,
               'original-id', letter.event_id::text, 'original-timestamp-ms', letter.record_ms::text, 'dead-application', s.application,
               'dead-subscription', s.key, 'dead-number', letter.n::text, 'dead-reason', letter.reason, 'dead-attempts', letter.attempts::text,
               'dead-error', letter.last_error,
               'dead-first-at', to_char(letter.first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'dead-at', to_char(letter.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
      INTO headers
      FROM postbus_inbox.subscription s JOIN postbus_inbox.source o ON o.subscription = s.id
     WHERE s.id = letter.subscription AND o.id = letter.source;
    PERFORM postbus.publish(p_topic, letter.value, letter.key, letter.type, headers);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE NOT LIKE 'PB%' THEN
        RAISE;
    END IF;
    RETURN SQLERRM;
END $$;
COMMENT ON FUNCTION postbus_inbox.publish_dead(bigint, text) IS
'For the worker: publishes a dead letter to a topic through postbus.outbox, when the calling transaction commits. NULL, or why that is impossible.';
REVOKE ALL ON FUNCTION postbus_inbox.publish_dead(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus_inbox.publish_dead(bigint, text) TO postbus_subscriber;
