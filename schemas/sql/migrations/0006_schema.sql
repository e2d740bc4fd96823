-- Avro schemas: each text once, with an id that is never given to another; and which of them a subject has had, in their order.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE postbus.schema (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint bigint NOT NULL,
    text        text NOT NULL,
    digest      bytea NOT NULL UNIQUE,
    added_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    added_by    text NOT NULL DEFAULT session_user
);
CREATE INDEX schema_fingerprint ON postbus.schema (fingerprint);
COMMENT ON TABLE postbus.schema IS 'Avro schemas, each text once. Never changed and never removed: records name them by their id or fingerprint.';
COMMENT ON COLUMN postbus.schema.id IS 'What Confluent''s framing names it by.';
COMMENT ON COLUMN postbus.schema.fingerprint IS 'CRC-64-AVRO of its canonical form, as a signed number; schemas that differ in what does not change the bytes have the same.';
COMMENT ON COLUMN postbus.schema.text IS 'As it was added, with defaults, aliases and logical types.';
COMMENT ON COLUMN postbus.schema.digest IS 'SHA-256 of the text.';
COMMENT ON COLUMN postbus.schema.added_at IS 'When.';
COMMENT ON COLUMN postbus.schema.added_by IS 'By which role, as it logged in.';

CREATE TABLE postbus.subject (
    name          text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND pg_catalog.octet_length(name) <= 1000),
    compatibility text COLLATE "C" NOT NULL CHECK (compatibility IN ('none', 'backward', 'backward-transitive', 'forward', 'forward-transitive', 'full', 'full-transitive'))
);
COMMENT ON TABLE postbus.subject IS 'What schemas evolve under: mostly a topic''s name and -value.';
COMMENT ON COLUMN postbus.subject.name IS 'Its name.';
COMMENT ON COLUMN postbus.subject.compatibility IS 'What a new version has to hold against earlier ones.';

CREATE TABLE postbus.subject_version (
    subject   text COLLATE "C" NOT NULL REFERENCES postbus.subject,
    version   int NOT NULL CHECK (version > 0),
    schema_id int NOT NULL REFERENCES postbus.schema,
    added_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    added_by  text NOT NULL DEFAULT session_user,
    PRIMARY KEY (subject, version),
    UNIQUE (subject, schema_id)
);
COMMENT ON TABLE postbus.subject_version IS 'The schemas a subject has had.';
COMMENT ON COLUMN postbus.subject_version.subject IS 'Of which.';
COMMENT ON COLUMN postbus.subject_version.version IS 'The how many-th, from 1.';
COMMENT ON COLUMN postbus.subject_version.schema_id IS 'Which schema.';
COMMENT ON COLUMN postbus.subject_version.added_at IS 'When.';
COMMENT ON COLUMN postbus.subject_version.added_by IS 'By which role, as it logged in.';

GRANT SELECT ON postbus.schema, postbus.subject, postbus.subject_version TO postbus_publisher, postbus_relay, postbus_operator, postbus_viewer;

-- ---------------------------------------------------------------------------------------------------------------------
-- Topics whose events are Avro: JSON that is published to one is checked before the commit, and the relay encodes it
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE postbus.binding (
    topic    postbus.event_topic NOT NULL PRIMARY KEY,
    subject  text COLLATE "C" NOT NULL REFERENCES postbus.subject,
    framing  text COLLATE "C" NOT NULL CHECK (framing IN ('confluent', 'single-object', 'none')),
    registry text CHECK (registry IS NULL OR (registry <> '' AND framing = 'confluent')),
    bound_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    bound_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE postbus.binding IS 'Topics whose events are Avro. By postbus.bind() and postbus.unbind() only: they make the checks follow.';
COMMENT ON COLUMN postbus.binding.topic IS 'The topic.';
COMMENT ON COLUMN postbus.binding.subject IS 'Whose newest schema its events are written with.';
COMMENT ON COLUMN postbus.binding.framing IS 'How a record tells its schema: confluent, single-object or none.';
COMMENT ON COLUMN postbus.binding.registry IS 'The schema registry whose ids the frames have; NULL: they have those of postbus.schema.';
COMMENT ON COLUMN postbus.binding.bound_at IS 'When.';
COMMENT ON COLUMN postbus.binding.bound_by IS 'By which role, as it logged in.';

-- A registry's ids are learnt once, by who binds a topic or adds a version: neither publishers nor the relay ever ask it.
CREATE TABLE postbus.registered (
    topic         postbus.event_topic NOT NULL,
    schema_id     int NOT NULL REFERENCES postbus.schema,
    registry_id   int NOT NULL CHECK (registry_id >= 0),
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    registered_by text NOT NULL DEFAULT session_user,
    PRIMARY KEY (topic, schema_id)
);
COMMENT ON TABLE postbus.registered IS 'The ids that a schema registry gave to schemas, under the subject TOPIC-value.';
COMMENT ON COLUMN postbus.registered.topic IS 'For which topic.';
COMMENT ON COLUMN postbus.registered.schema_id IS 'Which schema.';
COMMENT ON COLUMN postbus.registered.registry_id IS 'Its id in the registry.';
COMMENT ON COLUMN postbus.registered.registered_at IS 'When it was learnt last.';
COMMENT ON COLUMN postbus.registered.registered_by IS 'By which role, as it logged in.';

-- What the relay looks at with each read, in the snapshot of the read: events published under a binding are never read before it.
CREATE TABLE postbus.binding_change (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    n        bigint NOT NULL
);
INSERT INTO postbus.binding_change (n) VALUES (0);
COMMENT ON TABLE postbus.binding_change IS 'One row: how often the bindings, or the schemas of subjects, have changed.';
COMMENT ON COLUMN postbus.binding_change.n IS 'How often.';

-- The checks of scalar values. Each returns NULL for a value that fits, else what goes behind its path; they are what libpostbus_schema's
-- encoder does with PBUS_JSON_PLAIN. They are called, by functions made from schemas, under the search_path of postbus.check_event() alone.

CREATE FUNCTION postbus.avro_shown(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    CASE jsonb_typeof(v)
        WHEN 'object' THEN RETURN 'an object';
        WHEN 'array' THEN RETURN 'an array';
        WHEN 'string' THEN
            RETURN CASE WHEN length(v #>> '{}') > 50 THEN rtrim(to_json(left(v #>> '{}', 50))::text, '"') || '"...' ELSE v::text END;
        ELSE RETURN left(v::text, 60);
    END CASE;
END $$;

CREATE FUNCTION postbus.avro_null(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(v) = 'null' THEN RETURN NULL; END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is not null';
END $$;

CREATE FUNCTION postbus.avro_boolean(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(v) = 'boolean' THEN RETURN NULL; END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is neither true nor false';
END $$;

-- Whether a text is a date, a time of day, or both: with so many digits behind the second, and a zone where the type has one.
CREATE FUNCTION postbus.avro_is_time(logical text, t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    digits text := CASE WHEN logical LIKE '%micros' THEN '6' ELSE '3' END;
    day text := '(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])';
    clock text := '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.(?:[0-9]{1,' || digits || '}|[0-9]{' || digits || '}0+))?';
    zone text := CASE WHEN logical LIKE 'timestamp%' THEN '(?:Z|[+-](?:[01][0-9]|2[0-3])(?::[0-5][0-9])?)' ELSE '' END;
BEGIN
    IF logical LIKE 'time-%' THEN
        RETURN t ~ ('^' || clock || '$');
    END IF;
    IF t !~ ('^' || day || CASE WHEN logical = 'date' THEN '' ELSE '[T ]' || clock || zone END || '$') THEN
        RETURN false;
    END IF;
    RETURN substr(t, 9, 2)::int <= extract(day FROM make_date(substr(t, 1, 4)::int, substr(t, 6, 2)::int, 1) + interval '1 month - 1 day');
END $$;

CREATE FUNCTION postbus.avro_integer(v jsonb, kind text, logical text, sample text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n numeric;
BEGIN
    IF jsonb_typeof(v) = 'number' THEN
        n := v;
        IF n <> trunc(n) OR (scale(n) > 0 AND abs(n) > 9007199254740992) THEN
            RETURN ': ' || postbus.avro_shown(v) || ' is no ' || kind;
        ELSIF kind = 'int' AND n NOT BETWEEN -2147483648 AND 2147483647 THEN
            RETURN ': ' || postbus.avro_shown(v) || ' does not fit an int of 32 bits';
        ELSIF n NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
            RETURN ': ' || postbus.avro_shown(v) || ' does not fit a long of 64 bits';
        END IF;
        RETURN NULL;
    ELSIF logical IS NULL OR jsonb_typeof(v) <> 'string' THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is no ' || kind;
    ELSIF postbus.avro_is_time(logical, v #>> '{}') THEN
        RETURN NULL;
    END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is not of the form "' || sample || '"';
END $$;

-- A float is read as a double first, as the encoder does: from 2^128 - 2^103 on that rounds to no finite one.
CREATE FUNCTION postbus.avro_real(v jsonb, kind text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n numeric;
BEGIN
    IF jsonb_typeof(v) = 'number' THEN
        n := abs(v::numeric);
        IF (CASE WHEN n >= 1.7976931348623158e308 THEN true WHEN kind = 'float' AND n > 1 THEN n::float8 >= 3.4028235677973366e38 ELSE false END) THEN
            RETURN ': ' || postbus.avro_shown(v) || ' is too large for a ' || kind;
        END IF;
        RETURN NULL;
    ELSIF jsonb_typeof(v) = 'string' AND (v #>> '{}') = ANY ('{NaN,Infinity,-Infinity}'::text[]) THEN
        RETURN NULL;
    END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is no ' || kind;
END $$;

CREATE FUNCTION postbus.avro_string(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(v) = 'string' THEN RETURN NULL; END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is no string';
END $$;

CREATE FUNCTION postbus.avro_uuid(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(v) = 'string' AND (v #>> '{}') ~ '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$' THEN
        RETURN NULL;
    END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is no UUID';
END $$;

-- Base64; size: how many bytes it has to be, NULL: any number.
CREATE FUNCTION postbus.avro_bytes(v jsonb, name text, size int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    t text := v #>> '{}';
    n int;
BEGIN
    IF jsonb_typeof(v) <> 'string' THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is no string for ' || name;
    ELSIF t !~ '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$' THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is no base64';
    END IF;
    n := length(t) / 4 * 3 - (length(t) - length(rtrim(t, '=')));
    IF n <> size THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is ' || n || ' bytes, and the fixed ' || name || ' has ' || size;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION postbus.avro_decimal(v jsonb, most_digits int, behind int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    t text := v #>> '{}';
    n numeric;
BEGIN
    IF jsonb_typeof(v) = 'number' THEN
        n := v;
        IF n NOT BETWEEN -9223372036854775808 AND 9223372036854775807
           OR (scale(n) > 0 AND length(btrim(replace(abs(trim_scale(n))::text, '.', ''), '0')) > 15) THEN
            RETURN ': ' || postbus.avro_shown(v) || ' has more digits than JSON numbers keep; write it as a string';
        END IF;
    ELSIF jsonb_typeof(v) = 'string' AND length(t) <= 1005 AND t ~ '^[+-]?[0-9]*\.?[0-9]+([eE][+-]?0*(?:1?[0-9]{1,3}|2000))?$' THEN
        n := t;
    ELSE
        RETURN ': ' || postbus.avro_shown(v) || ' is no decimal number';
    END IF;
    IF scale(trim_scale(n)) > behind THEN
        RETURN ': ' || postbus.avro_shown(v) || ' has more than ' || behind || ' digits behind the point';
    ELSIF abs(n) >= 10::numeric ^ (most_digits - behind) THEN
        RETURN ': ' || postbus.avro_shown(v) || ' has more digits than a decimal(' || most_digits || ', ' || behind || ') holds';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION postbus.avro_duration(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    p text[];
BEGIN
    IF jsonb_typeof(v) <> 'string' THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is no string for a duration';
    END IF;
    p := regexp_match(v #>> '{}', '^P(?=.)(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?'
                                  '(?:T(?=.)(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.(?:[0-9]{1,3}|[0-9]{3}0+))?)S)?)?$');
    IF p IS NULL
       OR coalesce(p[1], '0')::numeric * 12 + coalesce(p[2], '0')::numeric > 4294967295
       OR coalesce(p[3], '0')::numeric * 7 + coalesce(p[4], '0')::numeric > 4294967295
       OR coalesce(p[5], '0')::numeric * 3600000 + coalesce(p[6], '0')::numeric * 60000 + coalesce(p[7], '0')::numeric * 1000 > 4294967295 THEN
        RETURN ': ' || postbus.avro_shown(v) || ' is not of the form "P1M2DT3.004S"';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION postbus.avro_enum(v jsonb, name text, symbols text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(v) = 'string' AND (v #>> '{}') = ANY (symbols) THEN RETURN NULL; END IF;
    RETURN ': ' || postbus.avro_shown(v) || ' is no symbol of the enum ' || name;
END $$;

COMMENT ON FUNCTION postbus.avro_null(jsonb) IS 'NULL, or why a value is no null, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_boolean(jsonb) IS 'NULL, or why a value is no boolean, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_integer(jsonb, text, text, text) IS 'NULL, or why a value is no int or long, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_real(jsonb, text) IS 'NULL, or why a value is no float or double, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_string(jsonb) IS 'NULL, or why a value is no string, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_uuid(jsonb) IS 'NULL, or why a value is no UUID, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_bytes(jsonb, text, int) IS 'NULL, or why a value is no bytes in base64, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_decimal(jsonb, int, int) IS 'NULL, or why a value is no decimal, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_duration(jsonb) IS 'NULL, or why a value is no duration, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_enum(jsonb, text, text[]) IS 'NULL, or why a value is no symbol, to stand behind its path. For the functions that postbus schema add makes.';
COMMENT ON FUNCTION postbus.avro_shown(jsonb) IS 'What a message shows of a value: a short piece of it.';
COMMENT ON FUNCTION postbus.avro_is_time(text, text) IS 'Whether a text is of the form of a logical type of dates and times.';

-- The next two are made anew by postbus.rebind(). The list is a function, and IMMUTABLE: each INSERT has it as a constant, and a new binding
-- needs no lock on the outbox.
CREATE FUNCTION postbus.bound_topics() RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN '{}'; END $$;
COMMENT ON FUNCTION postbus.bound_topics() IS 'The topics of postbus.binding.';
CREATE FUNCTION postbus.check_json(topic text, v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN NULL; END $$;
COMMENT ON FUNCTION postbus.check_json(text, jsonb) IS
'Whether a value fits the newest schema of the topic''s subject: NULL, or the path of what does not and the reason.';

-- Whether a value is Avro already: JSON begins with neither frame. Without a frame, the header content-type tells.
CREATE FUNCTION postbus.is_avro(framing text, value bytea, headers jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE framing WHEN 'confluent' THEN substr(value, 1, 1) = '\x00'
                        WHEN 'single-object' THEN substr(value, 1, 2) = '\xc301'
                        ELSE coalesce(headers ->> 'content-type' = 'avro/binary', false) END;
END $$;
COMMENT ON FUNCTION postbus.is_avro(text, bytea, jsonb) IS 'Whether a value for a topic of this framing is Avro already.';

-- Why a frame is none of the subject's schemas; NULL: it is one, or there is no frame to tell by.
CREATE FUNCTION postbus.check_frame(b postbus.binding, value bytea) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    id int;
    print bigint := 0;
BEGIN
    IF b.framing = 'confluent' THEN
        IF octet_length(value) < 5 THEN RETURN 'the value: ' || octet_length(value) || ' bytes are too few for a frame'; END IF;
        id := ('x' || encode(substr(value, 2, 4), 'hex'))::bit(32)::int;
        IF NOT EXISTS (SELECT FROM postbus.subject_version s LEFT JOIN postbus.registered r ON r.topic = b.topic AND r.schema_id = s.schema_id
                        WHERE s.subject = b.subject AND id = CASE WHEN b.registry IS NULL THEN s.schema_id ELSE r.registry_id END) THEN
            RETURN 'the value: its frame names the schema ' || id || ', which the subject does not have';
        END IF;
    ELSIF b.framing = 'single-object' THEN
        IF octet_length(value) < 10 THEN RETURN 'the value: ' || octet_length(value) || ' bytes are too few for a frame'; END IF;
        FOR i IN 0 .. 7 LOOP
            print := print | (get_byte(value, 2 + i)::bigint << (8 * i));
        END LOOP;
        IF NOT EXISTS (SELECT FROM postbus.subject_version s JOIN postbus.schema c ON c.id = s.schema_id
                        WHERE s.subject = b.subject AND c.fingerprint = print) THEN
            RETURN 'the value: its frame names the fingerprint ' || lpad(to_hex(print), 16, '0') || ', which no schema of the subject has';
        END IF;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION postbus.check_frame(postbus.binding, bytea) IS 'NULL, or why the frame of a value names no schema of the subject.';

-- What is written with an earlier created_at, which no publisher can, is a copy of an event by rebase() or clear_leaf(): not for it to refuse.
CREATE FUNCTION postbus.check_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    b postbus.binding;
    v jsonb;
    why text;
BEGIN
    SELECT * INTO b FROM postbus.binding k WHERE k.topic = NEW.topic;
    IF b.topic IS NULL OR NEW.value IS NULL OR NEW.created_at < now() THEN
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
COMMENT ON FUNCTION postbus.check_event() IS 'Raises PB010 for a value that does not fit the schema of its topic. For the trigger check_event.';

-- Tries for a while, never with publishers behind it for long: the trigger's lock waits for all who have published and not committed yet.
CREATE FUNCTION postbus.guard_outbox() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms'
AS $$
BEGIN
    FOR attempt IN 1 .. 300 LOOP
        IF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = 'postbus.outbox'::regclass AND t.tgname = 'check_event') THEN
            RETURN;
        END IF;
        BEGIN
            CREATE TRIGGER check_event AFTER INSERT ON postbus.outbox FOR EACH ROW
                WHEN (NEW.topic = ANY (postbus.bound_topics())) EXECUTE FUNCTION postbus.check_event();
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1);
        END;
    END LOOP;
    RAISE EXCEPTION 'postbus: the check cannot be put on the outbox while a transaction that has published stays open'
        USING ERRCODE = 'PB011', HINT = 'postbus doctor names old transactions. Once they have ended, bind the topic again.';
END $$;
COMMENT ON FUNCTION postbus.guard_outbox() IS 'Puts the trigger check_event on the outbox where it is missing. PB011: a transaction that has published stays open.';

-- Makes bound_topics() and check_json() say what the tables say. To be called after every change of a binding or of a subject's versions.
CREATE FUNCTION postbus.rebind() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    topics text[];
    cases text;
    missing text;
    unregistered text;
BEGIN
    LOCK TABLE postbus.binding IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(b.topic::text ORDER BY b.topic), string_agg(format('WHEN %L THEN RETURN postbus.avro_%s(v);', b.topic, s.schema_id), ' '),
           min(b.subject) FILTER (WHERE to_regprocedure(format('postbus.avro_%s(jsonb)', s.schema_id)) IS NULL),
           min(b.topic::text) FILTER (WHERE b.registry IS NOT NULL
               AND NOT EXISTS (SELECT FROM postbus.registered r WHERE r.topic = b.topic AND r.schema_id = s.schema_id))
      INTO topics, cases, missing, unregistered
      FROM postbus.binding b
      LEFT JOIN LATERAL (SELECT w.schema_id FROM postbus.subject_version w WHERE w.subject = b.subject ORDER BY w.version DESC LIMIT 1) s ON true;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'postbus: the subject % has no schema that was added by postbus schema add', to_json(missing) USING ERRCODE = 'PB011';
    END IF;
    IF unregistered IS NOT NULL THEN
        RAISE EXCEPTION 'postbus: the topic % has ids of a registry, and the newest version of its subject is not registered there', to_json(unregistered)
            USING ERRCODE = 'PB011', HINT = 'postbus schema bind TOPIC SUBJECT --registry registers all versions.';
    END IF;
    EXECUTE format('CREATE OR REPLACE FUNCTION postbus.bound_topics() RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN RETURN %L; END $f$',
                   coalesce(topics, '{}'));
    EXECUTE format('CREATE OR REPLACE FUNCTION postbus.check_json(topic text, v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS '
                   '$f$ BEGIN %s RETURN NULL; END $f$', 'CASE topic ' || cases || ' ELSE NULL; END CASE;');
    UPDATE postbus.binding_change SET n = n + 1;
END $$;
COMMENT ON FUNCTION postbus.rebind() IS 'Makes the checks follow a change of the bindings or of a subject''s versions. For the owner.';

CREATE FUNCTION postbus.bind(topic text, subject text, framing text DEFAULT 'confluent', registry text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    LOCK TABLE postbus.binding IN SHARE ROW EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM postbus.subject_version s WHERE s.subject = subject) THEN
        RAISE EXCEPTION 'postbus: there is no schema of a subject %', to_json(subject)
            USING ERRCODE = 'PB011', HINT = 'postbus schema list shows the subjects.';
    END IF;
    INSERT INTO postbus.binding AS b (topic, subject, framing, registry) VALUES (topic, subject, framing, registry)
    ON CONFLICT ON CONSTRAINT binding_pkey DO UPDATE
        SET (subject, framing, registry, bound_at, bound_by) = (EXCLUDED.subject, EXCLUDED.framing, EXCLUDED.registry, EXCLUDED.bound_at, EXCLUDED.bound_by);
    PERFORM postbus.rebind();
    PERFORM postbus.guard_outbox();
END $$;
COMMENT ON FUNCTION postbus.bind(text, text, text, text) IS
'Makes a topic''s events Avro, by the newest schema of a subject, in a framing: confluent, single-object or none. With a registry: by its ids, which postbus schema bind has put into postbus.registered. From its commit on JSON that does not fit is refused with PB010, and the relay encodes. PB011: no such subject, or a transaction that has published stays open. For the owner.';

CREATE FUNCTION postbus.unbind(topic text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE postbus.binding IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM postbus.binding b WHERE b.topic = $1;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM postbus.rebind();
    RETURN true;
END $$;
COMMENT ON FUNCTION postbus.unbind(text) IS 'Ends that a topic''s events are Avro: what is published to it leaves as it is. False: it was not bound. For the owner.';

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'postbus'::regnamespace
        AND (p.proname LIKE 'avro\_%' OR p.proname IN ('bound_topics', 'check_json', 'is_avro', 'check_frame', 'check_event', 'guard_outbox', 'rebind', 'bind', 'unbind'))
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END $$;
GRANT SELECT ON postbus.binding, postbus.registered, postbus.binding_change TO postbus_publisher, postbus_relay, postbus_operator, postbus_viewer;
-- Whoever may publish must be able to call what the trigger asks, also where single rights were granted instead of the role.
DO $$
DECLARE
    publisher text;
BEGIN
    FOR publisher IN
        SELECT DISTINCT CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END
          FROM (SELECT (aclexplode(c.relacl)).grantee, (aclexplode(c.relacl)).privilege_type FROM pg_class c WHERE c.oid = 'postbus.outbox'::regclass
                UNION ALL
                SELECT (aclexplode(a.attacl)).grantee, (aclexplode(a.attacl)).privilege_type FROM pg_attribute a WHERE a.attrelid = 'postbus.outbox'::regclass) r
         WHERE r.privilege_type = 'INSERT'
        UNION SELECT 'postbus_publisher'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION postbus.bound_topics() TO %s', publisher);
    END LOOP;
END $$;
