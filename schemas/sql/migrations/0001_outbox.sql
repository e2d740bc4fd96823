-- The outbox, what the relay remembers about it, and the roles that may touch them.
--
-- Every name below is schema-qualified and every operator that a function uses is either inside a stored expression
-- (resolved now, once) or written OPERATOR(pg_catalog....): no caller's search_path can lead a function of ours astray.
-- The same holds for the migration itself, which may run as a superuser where others can create functions.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA IF NOT EXISTS postbus;

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['postbus_publisher', 'postbus_viewer', 'postbus_relay'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole cluster: another database's migration was faster
            END;
        END IF;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA postbus TO postbus_publisher, postbus_viewer, postbus_relay;

-- ---------------------------------------------------------------------------------------------------------------------
-- Settings and identity
-- ---------------------------------------------------------------------------------------------------------------------

-- The limits of a publish. To change one: UPDATE postbus.setting SET value = ... WHERE name = ...; it holds from the next publish on.
CREATE TABLE postbus.setting (
    name        text PRIMARY KEY,
    value       bigint NOT NULL,
    lowest      bigint NOT NULL,
    highest     bigint NOT NULL,
    description text NOT NULL,
    CONSTRAINT setting_in_range CHECK (value BETWEEN lowest AND highest)
);
-- The lowest values are what the columns of postbus.outbox take without looking here at all (domains event_value, event_key, event_headers).
INSERT INTO postbus.setting (name, value, lowest, highest, description) VALUES
    ('max_value_bytes', 1000000, 8192, 900000000, 'largest value of an event, in bytes; keep it below max.message.bytes of the topics'),
    ('max_key_bytes', 4096, 1024, 1000000, 'largest key of an event, in bytes'),
    ('max_headers_bytes', 32768, 1024, 10000000, 'largest headers of an event, in bytes of their JSON text');

COMMENT ON TABLE postbus.setting IS 'The limits of a publish, in bytes. A changed value holds from the next publish on.';

-- One row. system_identifier names the PostgreSQL cluster in which the stored transaction ids have a meaning.
CREATE TABLE postbus.instance (
    only_one          boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    outbox_id         uuid NOT NULL,
    system_identifier bigint NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
INSERT INTO postbus.instance (outbox_id, system_identifier)
SELECT pg_catalog.gen_random_uuid(), system_identifier FROM pg_catalog.pg_control_system();

COMMENT ON TABLE postbus.instance IS 'One row: what this outbox is, and in which cluster its transaction ids have a meaning.';

-- The event id of a row that was given none: a version 8 UUID (RFC 9562) of 60 random bits of the outbox's identity and the
-- 62 low bits of the row's id. Nothing is drawn or stored for it, and it can be turned back into the id.
DO $$
BEGIN
    EXECUTE format($f$
        CREATE FUNCTION postbus.event_id(id bigint) RETURNS uuid
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $b$ SELECT (%L::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog.to_hex(id OPERATOR(pg_catalog.|) (-9223372036854775808)::bigint))::pg_catalog.uuid $b$
    $f$, (SELECT left(hex, 12) || '8' || substr(hex, 14, 3)
          FROM (SELECT replace(outbox_id::text, '-', '') AS hex FROM postbus.instance) i));
END $$;
DO $$
BEGIN
    EXECUTE format($f$
        CREATE FUNCTION postbus.id_of(event_id uuid) RETURNS bigint
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $b$ SELECT CASE WHEN pg_catalog.left(event_id::pg_catalog.text, 18) OPERATOR(pg_catalog.=) %L
                           THEN ('x' OPERATOR(pg_catalog.||) pg_catalog.right(pg_catalog.replace(event_id::pg_catalog.text, '-', ''), 16))
                                ::pg_catalog.bit(64)::bigint OPERATOR(pg_catalog.&) 4611686018427387903 END $b$
    $f$, (SELECT left(postbus.event_id(0)::text, 18)));
END $$;
COMMENT ON FUNCTION postbus.id_of(uuid) IS 'The id of the outbox row whose derived event id this is; NULL where the publisher gave the event id itself.';
COMMENT ON FUNCTION postbus.event_id(bigint) IS 'The event id of the outbox row with this id, where the publisher gave none of its own.';

-- ---------------------------------------------------------------------------------------------------------------------
-- What is refused at publish time
-- ---------------------------------------------------------------------------------------------------------------------

-- The columns of the outbox are of the domains below. A domain's check is prepared once a session and a table's once a statement
-- (a CHECK of the same content cost every publish 10 microseconds, and a counted regular expression, {1,249}, another 30). Each check accepts what is
-- ordinary by itself and leaves the rest to a function, which returns true or raises one of our errors (STRICT: not called for a NULL):
--   PB001 topic   PB002 value too large   PB003 headers   PB004 key too large   PB005 type too long

CREATE FUNCTION postbus.check_topic(topic text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF topic IS NULL OR topic = '' THEN
        RAISE EXCEPTION 'postbus: the topic is %', CASE WHEN topic IS NULL THEN 'NULL' ELSE 'empty ("")' END
            USING ERRCODE = 'PB001', HINT = 'Name the Kafka topic the event goes to: 1 to 249 of the characters a-z A-Z 0-9 . _ -';
    END IF;
    IF topic !~ '^[a-zA-Z0-9._-]+$' OR octet_length(topic) > 249 OR topic IN ('.', '..') THEN
        RAISE EXCEPTION 'postbus: % is not a topic name%', to_json(left(topic, 260)),
            CASE WHEN octet_length(topic) > 249 THEN format(' (%s bytes long)', octet_length(topic)) ELSE '' END
            USING ERRCODE = 'PB001', HINT = 'A topic is 1 to 249 of the characters a-z A-Z 0-9 . _ - and neither "." nor "..".';
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION postbus.check_value(value bytea) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    most bigint := (SELECT s.value FROM postbus.setting s WHERE s.name = 'max_value_bytes');
BEGIN
    IF octet_length(value) > most THEN
        RAISE EXCEPTION 'postbus: the value has % bytes, more than the limit of %', octet_length(value), most
            USING ERRCODE = 'PB002', HINT = 'Publish a reference to it instead, or raise max_value_bytes in postbus.setting (and the topic''s max.message.bytes).';
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION postbus.check_key(key bytea) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most bigint := (SELECT s.value FROM postbus.setting s WHERE s.name = 'max_key_bytes');
BEGIN
    IF octet_length(key) > most THEN
        RAISE EXCEPTION 'postbus: the key has % bytes, more than the limit of %', octet_length(key), most
            USING ERRCODE = 'PB004', DETAIL = format('It begins: %s', encode(substr(key, 1, 60), 'escape')),
                  HINT = 'Use a shorter key (a digest of it, for example), or raise max_key_bytes in postbus.setting.';
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION postbus.check_type(type text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(type) > 1024 THEN
        RAISE EXCEPTION 'postbus: the type has % bytes, more than the limit of 1024', octet_length(type)
            USING ERRCODE = 'PB005', DETAIL = format('It begins: %s', to_json(left(type, 60))),
                  HINT = 'A type is a short name such as "order.created".';
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION postbus.check_headers(headers jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most bigint;
    bad record;
BEGIN
    IF jsonb_typeof(headers) <> 'object' THEN
        RAISE EXCEPTION 'postbus: the headers are a JSON %, not an object: %', jsonb_typeof(headers), left(headers::text, 100)
            USING ERRCODE = 'PB003', HINT = 'Pass an object of strings, such as {"tenant": "7"}, or an SQL NULL for none.';
    END IF;
    SELECT h.key, jsonb_typeof(h.value) AS type INTO bad FROM jsonb_each(headers) h
     WHERE jsonb_typeof(h.value) <> 'string' ORDER BY h.key COLLATE "C" LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'postbus: the header % is a JSON %, not a string', to_json(left(bad.key, 100)), bad.type
            USING ERRCODE = 'PB003', HINT = 'Header values are strings: write numbers and booleans in quotes, and leave out what is null.';
    END IF;
    IF headers ? '' THEN
        RAISE EXCEPTION 'postbus: a header has the empty name ""'
            USING ERRCODE = 'PB003', HINT = 'Give each header a name.';
    END IF;
    SELECT s.value INTO most FROM postbus.setting s WHERE s.name = 'max_headers_bytes';
    IF octet_length(headers::text) > most THEN
        RAISE EXCEPTION 'postbus: the headers have % bytes, more than the limit of %', octet_length(headers::text), most
            USING ERRCODE = 'PB003', HINT = 'Move data into the value, or raise max_headers_bytes in postbus.setting.';
    END IF;
    RETURN true;
END $$;

COMMENT ON FUNCTION postbus.check_topic(text) IS 'Raises PB001 for what is not a topic name. For the domain event_topic.';
COMMENT ON FUNCTION postbus.check_value(bytea) IS 'Raises PB002 for a value over max_value_bytes. For the domain event_value.';
COMMENT ON FUNCTION postbus.check_key(bytea) IS 'Raises PB004 for a key over max_key_bytes. For the domain event_key.';
COMMENT ON FUNCTION postbus.check_type(text) IS 'Raises PB005 for a type of more than 1024 bytes. For the domain event_type.';
COMMENT ON FUNCTION postbus.check_headers(jsonb) IS 'Raises PB003 for headers that are not an object of strings or over max_headers_bytes. For the domain event_headers.';

-- A name that does not begin with a dot is neither "." nor "..".
CREATE DOMAIN postbus.event_topic AS text COLLATE "C"
    CHECK (coalesce(VALUE ~ '^[a-zA-Z0-9_-][a-zA-Z0-9._-]*$' AND octet_length(VALUE) <= 249, false) OR postbus.check_topic(VALUE));
CREATE DOMAIN postbus.event_value AS bytea
    CHECK (octet_length(VALUE) <= 8192 OR postbus.check_value(VALUE));
CREATE DOMAIN postbus.event_key AS bytea
    CHECK (octet_length(VALUE) <= 1024 OR postbus.check_key(VALUE));
CREATE DOMAIN postbus.event_type AS text COLLATE "C"
    CHECK (octet_length(VALUE) <= 1024 OR postbus.check_type(VALUE));
CREATE DOMAIN postbus.event_headers AS jsonb
    CHECK (VALUE IS NULL
           OR (jsonb_typeof(VALUE) = 'object' AND NOT jsonb_path_exists(VALUE, 'strict $.* ? (@.type() != "string")')
               AND NOT VALUE ? '' AND octet_length(VALUE::text) <= 1024)
           OR postbus.check_headers(VALUE));

-- ---------------------------------------------------------------------------------------------------------------------
-- The outbox
-- ---------------------------------------------------------------------------------------------------------------------

-- A fixed ring of 16 leaves of 2^30 ids each: no publish ever waits for DDL and no leaf ever runs out. A leaf is closed by moving
-- the sequence to the next leaf's first id, so that it can be truncated by age whatever the rate of events.
-- The order of the first two columns matters: the row's transaction gets its xid before the id is drawn.
CREATE TABLE postbus.outbox (
    xid        xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    id         bigint NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    event_id   uuid,
    topic      postbus.event_topic,
    type       postbus.event_type,
    key        postbus.event_key,
    value      postbus.event_value,
    headers    postbus.event_headers
) PARTITION BY LIST (((id >> 30) & 15));

DO $$
BEGIN
    FOR leaf IN 0..15 LOOP
        EXECUTE format('CREATE TABLE postbus.outbox_%s PARTITION OF postbus.outbox FOR VALUES IN (%s)
                        WITH (autovacuum_enabled = true, fillfactor = 100)', leaf, leaf);
    END LOOP;
END $$;
-- Uncompressed: publishing spends no time on it, brokers compress batches better, and a leaf with an empty TOAST table is known to hold no
-- row above 2 KB, which is how the relay bounds its memory without adding up sizes.
ALTER TABLE postbus.outbox ALTER value SET STORAGE EXTERNAL, ALTER headers SET STORAGE EXTERNAL, ALTER key SET STORAGE EXTERNAL,
    ALTER type SET STORAGE EXTERNAL;
CREATE INDEX outbox_id ON postbus.outbox (id);
CREATE INDEX outbox_xid_id ON postbus.outbox (xid, id);
COMMENT ON TABLE postbus.outbox IS 'Events, one a row. Rows are never updated and never deleted one by one.';
COMMENT ON COLUMN postbus.outbox.xid IS 'The transaction that published it. By default only: never supplied.';
COMMENT ON COLUMN postbus.outbox.id IS 'Its number, drawn after xid is assigned. By default only: never supplied.';
COMMENT ON COLUMN postbus.outbox.created_at IS 'When it was published, not when its transaction committed.';
COMMENT ON COLUMN postbus.outbox.event_id IS 'The event id that the publisher gave. NULL: postbus.event_id(id).';
COMMENT ON COLUMN postbus.outbox.topic IS 'The Kafka topic it goes to.';
COMMENT ON COLUMN postbus.outbox.type IS 'What kind of event it is, for the subscriber. At most 1024 bytes.';
COMMENT ON COLUMN postbus.outbox.key IS 'The record''s key. Events of one topic and key keep their order. NULL: none.';
COMMENT ON COLUMN postbus.outbox.value IS 'The record''s value. NULL: a tombstone.';
COMMENT ON COLUMN postbus.outbox.headers IS 'The record''s headers: a JSON object of strings. NULL: none.';

-- The doorbell. A publisher rings only while the relay sleeps: the sleeping relay holds the lock exclusively; a publisher that
-- gets it shared keeps it until after its rows are visible, and the relay reads once more after it took the lock.
--   SET postbus.ring = off: no lock and no NOTIFY (PREPARE TRANSACTION allows none); the relay's safety poll finds the rows.
CREATE FUNCTION postbus.ring() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_catalog.lower(pg_catalog.current_setting('postbus.ring', true)) OPERATOR(pg_catalog.=) ANY ('{off,false,no,0}'::pg_catalog.text[]) THEN
        RETURN NULL;
    END IF;
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(8101821198368076544) THEN
        -- A full queue would make the commit fail; a relay that does not drain it for that long is served by its safety poll.
        IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5 THEN
            PERFORM pg_catalog.pg_notify('postbus', '');
        END IF;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION postbus.ring() IS 'The doorbell: wakes a sleeping relay, and costs nothing more while it is awake. postbus.ring = off: silent.';
CREATE TRIGGER ring AFTER INSERT ON postbus.outbox FOR EACH STATEMENT EXECUTE FUNCTION postbus.ring();

-- ---------------------------------------------------------------------------------------------------------------------
-- Publishing
-- ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION postbus.publish(topic text, value text, key text DEFAULT NULL, type text DEFAULT NULL,
                                headers jsonb DEFAULT NULL, event_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO postbus.outbox (topic, value, key, type, headers, event_id)
    VALUES (topic, pg_catalog.convert_to(value, 'UTF8'), pg_catalog.convert_to(key, 'UTF8'), type, headers, event_id);
    RETURN pg_catalog.currval('postbus.outbox_id_seq');
END $$;
COMMENT ON FUNCTION postbus.publish(text, text, text, text, jsonb, uuid) IS
'Publishes an event when the calling transaction commits: topic, value (NULL: a tombstone), key, type, headers (an object of strings), event id (default: derived from the row''s id). Returns the row''s id. Errors: PB001 to PB005, in the caller''s transaction.';

CREATE FUNCTION postbus.publish(topic text, value jsonb, key text DEFAULT NULL, type text DEFAULT NULL,
                                headers jsonb DEFAULT NULL, event_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO postbus.outbox (topic, value, key, type, headers, event_id)
    VALUES (topic, pg_catalog.convert_to(value::pg_catalog.text, 'UTF8'), pg_catalog.convert_to(key, 'UTF8'), type, headers, event_id);
    RETURN pg_catalog.currval('postbus.outbox_id_seq');
END $$;
COMMENT ON FUNCTION postbus.publish(text, jsonb, text, text, jsonb, uuid) IS
'As postbus.publish(text, text, ...), with a JSON value: published as PostgreSQL prints it. A JSON null is a value; an SQL NULL is a tombstone.';

CREATE FUNCTION postbus.publish(topic text, value bytea, key bytea DEFAULT NULL, type text DEFAULT NULL,
                                headers jsonb DEFAULT NULL, event_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO postbus.outbox (topic, value, key, type, headers, event_id)
    VALUES (topic, value, key, type, headers, event_id);
    RETURN pg_catalog.currval('postbus.outbox_id_seq');
END $$;
COMMENT ON FUNCTION postbus.publish(text, bytea, bytea, text, jsonb, uuid) IS
'As postbus.publish(text, text, ...), with value and key as bytes.';

-- SECURITY DEFINER, because a publisher may not read the ids back by itself.
CREATE FUNCTION postbus.publish_batch(topics text[], "values" bytea[], keys bytea[] DEFAULT NULL, types text[] DEFAULT NULL,
                                      headers jsonb[] DEFAULT NULL, event_ids uuid[] DEFAULT NULL)
RETURNS TABLE (id bigint, event_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    n int := coalesce(cardinality(topics), 0);
BEGIN
    IF coalesce(cardinality("values"), 0) <> n OR cardinality(keys) <> n OR cardinality(types) <> n
       OR cardinality(headers) <> n OR cardinality(event_ids) <> n THEN
        RAISE EXCEPTION 'postbus: the arrays of a batch differ in length: topics %, values %, keys %, types %, headers %, event_ids %',
            n, coalesce(cardinality("values")::text, 'NULL'), coalesce(cardinality(keys)::text, 'NULL'), coalesce(cardinality(types)::text, 'NULL'),
            coalesce(cardinality(headers)::text, 'NULL'), coalesce(cardinality(event_ids)::text, 'NULL')
            USING ERRCODE = 'PB006', HINT = 'Give one element an event in topics and values, and the same number, or NULL, in the others.';
    END IF;
    RETURN QUERY
        INSERT INTO postbus.outbox AS o (topic, value, key, type, headers, event_id)
        SELECT b.topic, b.value, b.key, b.type, b.headers, b.event_id
          FROM unnest(topics, "values", keys, types, headers, event_ids) AS b (topic, value, key, type, headers, event_id)
        RETURNING o.id, coalesce(o.event_id, postbus.event_id(o.id));
END $$;
COMMENT ON FUNCTION postbus.publish_batch(text[], bytea[], bytea[], text[], jsonb[], uuid[]) IS
'Publishes one event an element, in the order of the arrays, when the calling transaction commits; returns id and event id of each, in the same order. Errors: PB001 to PB006; then none of the batch is published.';

-- ---------------------------------------------------------------------------------------------------------------------
-- What the relay remembers: append-only
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE postbus.leadership (
    epoch      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relay      text NOT NULL,
    backend    int NOT NULL,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE postbus.leadership IS 'One row each time a relay took the lead.';

-- How far the relay is. The newest row (highest n) counts. A row of the outbox is done if
--     visible in s1, or visible in s2 and id <= done_id.
-- x1 and x2 are the fences: every row with xid >= x1 has id > l1. Rows with id <= floor_id are all done.
CREATE TABLE postbus.progress (
    n         bigint GENERATED ALWAYS AS IDENTITY,
    leaf      smallint NOT NULL,
    epoch     bigint NOT NULL,
    at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    s1        pg_snapshot NOT NULL,
    x1        xid8 NOT NULL,
    l1        bigint NOT NULL,
    s2        pg_snapshot NOT NULL,
    x2        xid8 NOT NULL,
    l2        bigint NOT NULL,
    done_id   bigint NOT NULL,
    floor_id  bigint NOT NULL,
    published bigint NOT NULL
) PARTITION BY LIST (leaf);

-- Where events went: one row a settled batch, an element an event in each of the three arrays. ids ascend.
CREATE TABLE postbus.receipt (
    leaf       smallint NOT NULL,
    first_id   bigint NOT NULL,
    last_id    bigint NOT NULL,
    acked_at   timestamptz NOT NULL,
    ids        bigint[] NOT NULL,
    partitions int[] NOT NULL,
    offsets    bigint[] NOT NULL
) PARTITION BY LIST (leaf);

COMMENT ON TABLE postbus.progress IS 'How far the relay is. Append-only: the row with the highest n counts.';
COMMENT ON COLUMN postbus.progress.n IS 'The order in which rows were written.';
COMMENT ON COLUMN postbus.progress.leaf IS 'The leaf of the outbox it is kept and removed with.';
COMMENT ON COLUMN postbus.progress.epoch IS 'The leadership under which it was written.';
COMMENT ON COLUMN postbus.progress.at IS 'When it was written.';
COMMENT ON COLUMN postbus.progress.s1 IS 'Every row of the outbox that is visible in this snapshot is done.';
COMMENT ON COLUMN postbus.progress.x1 IS 'A fence: every row with this xid or a later one has an id above l1.';
COMMENT ON COLUMN postbus.progress.l1 IS 'The last id drawn when s1 was taken.';
COMMENT ON COLUMN postbus.progress.s2 IS 'The snapshot that is being read.';
COMMENT ON COLUMN postbus.progress.x2 IS 'The fence of s2.';
COMMENT ON COLUMN postbus.progress.l2 IS 'The last id drawn when s2 was taken.';
COMMENT ON COLUMN postbus.progress.done_id IS 'Rows that are visible in s2 are done up to this id.';
COMMENT ON COLUMN postbus.progress.floor_id IS 'Every row up to this id is done: where scans may begin.';
COMMENT ON COLUMN postbus.progress.published IS 'Events published since the outbox was made, those repeated counted again.';
COMMENT ON TABLE postbus.receipt IS 'Where events went: one row a settled batch, one element an event in each of the three arrays.';
COMMENT ON COLUMN postbus.receipt.leaf IS 'The leaf of the outbox whose events it is about.';
COMMENT ON COLUMN postbus.receipt.first_id IS 'The smallest of ids.';
COMMENT ON COLUMN postbus.receipt.last_id IS 'The largest of ids.';
COMMENT ON COLUMN postbus.receipt.acked_at IS 'When the last of the batch was acknowledged.';
COMMENT ON COLUMN postbus.receipt.ids IS 'The rows of the outbox, ascending.';
COMMENT ON COLUMN postbus.receipt.partitions IS 'The partition each was written to.';
COMMENT ON COLUMN postbus.receipt.offsets IS 'The offset each has there.';

DO $$
BEGIN
    FOR leaf IN 0..15 LOOP
        EXECUTE format('CREATE TABLE postbus.progress_%s PARTITION OF postbus.progress FOR VALUES IN (%s)', leaf, leaf);
        EXECUTE format('CREATE TABLE postbus.receipt_%s PARTITION OF postbus.receipt FOR VALUES IN (%s)', leaf, leaf);
        EXECUTE format('ALTER TABLE postbus.receipt_%s ALTER ids SET STORAGE EXTERNAL, ALTER partitions SET STORAGE EXTERNAL,
                        ALTER offsets SET STORAGE EXTERNAL', leaf);
    END LOOP;
END $$;
CREATE INDEX progress_n ON postbus.progress (n);
CREATE INDEX receipt_last_id ON postbus.receipt (last_id);

INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
VALUES (0, 0, '3:3:', '3', 0, '3:3:', '3', 0, 0, 0, 0);

-- Events that the relay set aside and passed: they wait in the order of n until their topic takes them.
CREATE TABLE postbus.parked (
    n         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        bigint NOT NULL UNIQUE,
    topic     text COLLATE "C" NOT NULL,
    key       bytea,
    reason    text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE postbus.parked IS 'Events that the relay set aside: they wait in the order of n until their topic takes them.';
CREATE INDEX parked_topic ON postbus.parked (topic, n);

-- ---------------------------------------------------------------------------------------------------------------------
-- Looking on
-- ---------------------------------------------------------------------------------------------------------------------

CREATE VIEW postbus.current_progress AS
SELECT p.* FROM postbus.progress p ORDER BY p.n DESC LIMIT 1;

CREATE VIEW postbus.event AS
SELECT o.id,
       coalesce(o.event_id, postbus.event_id(o.id)) AS event_id,
       o.topic, o.key, o.type,
       CASE WHEN NOT (o.id <= p.floor_id OR pg_visible_in_snapshot(o.xid, p.s1) OR (pg_visible_in_snapshot(o.xid, p.s2) AND o.id <= p.done_id)) THEN 'pending'
            WHEN EXISTS (SELECT FROM postbus.parked k WHERE k.id = o.id) THEN 'parked'
            ELSE 'published' END AS state,
       o.created_at,
       (SELECT r.acked_at FROM postbus.receipt r
         WHERE r.leaf = ((o.id >> 30) & 15)::smallint AND r.last_id >= o.id AND r.first_id <= o.id AND o.id = ANY (r.ids)
         ORDER BY r.last_id LIMIT 1) AS completed_at,
       (SELECT r.partitions[array_position(r.ids, o.id)] FROM postbus.receipt r
         WHERE r.leaf = ((o.id >> 30) & 15)::smallint AND r.last_id >= o.id AND r.first_id <= o.id AND o.id = ANY (r.ids)
         ORDER BY r.last_id LIMIT 1) AS partition,
       (SELECT r.offsets[array_position(r.ids, o.id)] FROM postbus.receipt r
         WHERE r.leaf = ((o.id >> 30) & 15)::smallint AND r.last_id >= o.id AND r.first_id <= o.id AND o.id = ANY (r.ids)
         ORDER BY r.last_id LIMIT 1) AS broker_offset
  FROM postbus.outbox o CROSS JOIN postbus.current_progress p;
COMMENT ON VIEW postbus.event IS
'Each event and how far it is: pending, published, or parked; with receipts on, also when the broker acknowledged it (completed_at), partition and broker_offset.';
COMMENT ON COLUMN postbus.event.id IS 'The number of its row in the outbox.';
COMMENT ON COLUMN postbus.event.event_id IS 'The event id, as subscribers see it. To look one up: WHERE id = postbus.id_of(event id).';
COMMENT ON COLUMN postbus.event.topic IS 'The Kafka topic it goes to.';
COMMENT ON COLUMN postbus.event.key IS 'The record''s key.';
COMMENT ON COLUMN postbus.event.type IS 'What kind of event it is.';
COMMENT ON COLUMN postbus.event.state IS 'pending, published or parked.';
COMMENT ON COLUMN postbus.event.created_at IS 'When it was published by its transaction.';
COMMENT ON COLUMN postbus.event.completed_at IS 'When the broker had acknowledged its batch. NULL without a receipt.';
COMMENT ON COLUMN postbus.event.partition IS 'The partition it was written to. NULL without a receipt.';
COMMENT ON COLUMN postbus.event.broker_offset IS 'Its offset there. NULL without a receipt.';
COMMENT ON VIEW postbus.current_progress IS 'The newest row of postbus.progress: the one that counts.';

-- Counts what is committed and not yet published (parked events are told apart), from the database and not from what a relay has seen.
CREATE FUNCTION postbus.backlog(OUT pending bigint, OUT oldest_pending_at timestamptz, OUT parked bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b.pending, b.oldest, (SELECT count(*) FROM postbus.parked)
      FROM (SELECT count(*) AS pending, min(o.created_at) AS oldest
              FROM postbus.current_progress p
              JOIN postbus.outbox o ON o.id > p.floor_id
             WHERE NOT (pg_visible_in_snapshot(o.xid, p.s1) OR (pg_visible_in_snapshot(o.xid, p.s2) AND o.id <= p.done_id))) b
$$;
COMMENT ON FUNCTION postbus.backlog() IS 'Committed events that are not published yet, the oldest one''s created_at, and how many are parked.';

-- ---------------------------------------------------------------------------------------------------------------------
-- After a restore
-- ---------------------------------------------------------------------------------------------------------------------

-- Stored transaction ids mean nothing in another cluster, where the same numbers are handed out to other transactions. So what was not
-- known to be published is published once more, as new rows of this cluster with their event ids kept, and all rows that are there now
-- fall below the floor, where nothing is ever read again. Ids above the last position's were drawn after the copy was taken: published
-- since the restore, or too late for the last settling; they count as not published whatever their xids look like.
CREATE FUNCTION postbus.rebase(OUT published_again bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    p postbus.progress;
    last_old_id bigint;
    x xid8;
    s pg_snapshot;
BEGIN
    IF NOT pg_try_advisory_xact_lock(8101821198368076545) THEN
        RAISE EXCEPTION 'postbus: a relay leads this database' USING ERRCODE = 'PB007', HINT = 'Stop the relays before postbus.rebase().';
    END IF;
    LOCK TABLE postbus.outbox IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO STRICT p FROM postbus.current_progress;
    SELECT coalesce(max(o.id), 0) INTO last_old_id FROM postbus.outbox o;
    -- A dump can hold rows above the value of its sequence; no id may be drawn twice, nor one at or below the new floor.
    PERFORM setval('postbus.outbox_id_seq', greatest(last_old_id, (SELECT last_value FROM postbus.outbox_id_seq)), true);
    SELECT greatest(last_old_id, last_value) INTO last_old_id FROM postbus.outbox_id_seq;
    INSERT INTO postbus.outbox (topic, type, key, value, headers, event_id)
    SELECT o.topic, o.type, o.key, o.value, o.headers, coalesce(o.event_id, postbus.event_id(o.id))
      FROM postbus.outbox o
     WHERE o.id <= last_old_id AND o.id > p.floor_id
       AND (o.id > p.l2 OR NOT (pg_visible_in_snapshot(o.xid, p.s1) OR (pg_visible_in_snapshot(o.xid, p.s2) AND o.id <= p.done_id)))
        OR EXISTS (SELECT FROM postbus.parked k WHERE k.id = o.id)
     ORDER BY o.id;
    GET DIAGNOSTICS published_again = ROW_COUNT;
    DELETE FROM postbus.parked;
    x := pg_current_xact_id();
    s := (x::text || ':' || x::text || ':')::pg_snapshot;
    INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
    VALUES ((last_old_id >> 30) & 15, p.epoch, s, x, last_old_id, s, x, last_old_id, 0, last_old_id, p.published);
    UPDATE postbus.instance SET system_identifier = (SELECT c.system_identifier FROM pg_control_system() c);
END $$;
COMMENT ON FUNCTION postbus.rebase() IS
'Brings a restored or copied outbox on in this cluster, with all relays stopped: publishes again, with the same event ids, what is not known to be published, and returns how many that are. Refuses with PB007 while a relay leads. Waits for open publishing transactions, and publishers wait for it.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Who may do what
-- ---------------------------------------------------------------------------------------------------------------------

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA postbus FROM PUBLIC;

GRANT INSERT (topic, value, key, type, headers, event_id) ON postbus.outbox TO postbus_publisher;
GRANT SELECT ON SEQUENCE postbus.outbox_id_seq TO postbus_publisher;  -- currval() alone: nextval() and setval() need more
GRANT EXECUTE ON FUNCTION postbus.publish(text, text, text, text, jsonb, uuid), postbus.publish(text, jsonb, text, text, jsonb, uuid),
    postbus.publish(text, bytea, bytea, text, jsonb, uuid), postbus.publish_batch(text[], bytea[], bytea[], text[], jsonb[], uuid[]),
    postbus.event_id(bigint), postbus.id_of(uuid), postbus.check_topic(text), postbus.check_value(bytea), postbus.check_key(bytea), postbus.check_type(text),
    postbus.check_headers(jsonb) TO postbus_publisher;

GRANT SELECT ON postbus.event, postbus.current_progress, postbus.leadership, postbus.setting, postbus.instance TO postbus_viewer;
GRANT SELECT (n, at, published, epoch) ON postbus.progress TO postbus_viewer;
GRANT EXECUTE ON FUNCTION postbus.event_id(bigint), postbus.id_of(uuid), postbus.backlog() TO postbus_viewer;

GRANT SELECT ON ALL TABLES IN SCHEMA postbus TO postbus_relay;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA postbus TO postbus_relay;
GRANT INSERT ON postbus.progress, postbus.receipt, postbus.leadership, postbus.parked TO postbus_relay;
GRANT DELETE ON postbus.parked TO postbus_relay;
GRANT EXECUTE ON FUNCTION postbus.event_id(bigint), postbus.id_of(uuid), postbus.backlog() TO postbus_relay;
