-- A transaction that keeps its snapshot does not see a binding that is newer, and cannot judge by it.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What is written with an earlier created_at, which no publisher can, is a copy of an event by rebase() or clear_leaf(): not for it to refuse. The
-- trigger asks bound_topics() as it is now. Without a snapshot that is kept, a binding that is not there was ended since.
CREATE OR REPLACE FUNCTION postbus.check_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    b postbus.binding;
    v jsonb;
    why text;
BEGIN
    IF NEW.value IS NULL OR NEW.created_at < now() THEN
        RETURN NULL;
    END IF;
    SELECT * INTO b FROM postbus.binding k WHERE k.topic = NEW.topic;
    IF b.topic IS NULL AND current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'postbus: the topic "%" was bound to a schema after this transaction''s snapshot', NEW.topic
            USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
    ELSIF b.topic IS NULL THEN
        RETURN NULL;
    END IF;
    IF postbus.is_avro(b.framing, NEW.value, NEW.headers) THEN
        why := postbus.check_frame(b, NEW.value);
    ELSE
        BEGIN
            v := convert_from(NEW.value, 'UTF8');
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            why := 'the value: it is no JSON: ' || SQLERRM;
        END;
        IF why IS NULL THEN
            why := postbus.check_json(NEW.topic, v);
        END IF;
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'postbus: the value does not fit the schema of the topic "%": %', NEW.topic, why
            USING ERRCODE = 'PB010',
                  DETAIL = format('The schema is version %s of the subject %s.',
                                  (SELECT max(s.version) FROM postbus.subject_version s WHERE s.subject = b.subject), b.subject),
                  HINT = format('Publish JSON that fits it, or Avro in the framing %s. postbus schema show %s prints the schema.', b.framing, b.subject);
    END IF;
    RETURN NULL;
END $$;
