-- The subscribers' side: who subscribes to what, how far each has read, what was handled, what waits for another attempt, and what is dead.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['postbus_subscriber', 'postbus_viewer', 'postbus_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole cluster: another database's migration was faster
            END;
        END IF;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA postbus_inbox TO postbus_subscriber, postbus_viewer, postbus_operator;

CREATE TABLE postbus_inbox.subscription (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application   text COLLATE "C" NOT NULL CHECK (application <> ''),
    key           text COLLATE "C" NOT NULL CHECK (key <> ''),
    topics        text[] NOT NULL CHECK (cardinality(topics) > 0),
    filter        jsonb,
    options       jsonb NOT NULL,
    list_version  int NOT NULL DEFAULT 0,
    subscribed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at      timestamptz,
    UNIQUE (application, key)
);
COMMENT ON TABLE postbus_inbox.subscription IS 'What each application subscribes to. One that has ended keeps its positions, and goes on from there when it is subscribed to again.';
COMMENT ON COLUMN postbus_inbox.subscription.id IS 'Its number.';
COMMENT ON COLUMN postbus_inbox.subscription.application IS 'The application.';
COMMENT ON COLUMN postbus_inbox.subscription.key IS 'Its name within the application.';
COMMENT ON COLUMN postbus_inbox.subscription.topics IS 'The Kafka topics it reads.';
COMMENT ON COLUMN postbus_inbox.subscription.filter IS 'The conditions that all must hold. NULL: every event; an empty list: none.';
COMMENT ON COLUMN postbus_inbox.subscription.options IS 'How it is worked.';
COMMENT ON COLUMN postbus_inbox.subscription.list_version IS 'The version of the list that wrote or ended it last: one with a lower version changes nothing of it.';
COMMENT ON COLUMN postbus_inbox.subscription.subscribed_at IS 'Since when.';
COMMENT ON COLUMN postbus_inbox.subscription.ended_at IS 'When it was ended. NULL: it holds.';

CREATE TABLE postbus_inbox.source (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription int NOT NULL REFERENCES postbus_inbox.subscription,
    topic        text COLLATE "C" NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock_timestamp(),
    horizon_ms   bigint,
    UNIQUE (subscription, topic)
);
COMMENT ON TABLE postbus_inbox.source IS 'A topic of a subscription.';
COMMENT ON COLUMN postbus_inbox.source.id IS 'Its number.';
COMMENT ON COLUMN postbus_inbox.source.subscription IS 'The subscription.';
COMMENT ON COLUMN postbus_inbox.source.topic IS 'The topic.';
COMMENT ON COLUMN postbus_inbox.source.since IS 'Since when the topic is subscribed to: one that begins with the latest events begins here, also in partitions that are added later.';
COMMENT ON COLUMN postbus_inbox.source.horizon_ms IS 'The newest timestamp of an event that the inbox has forgotten: whether one as old as that was handled is not known. NULL: nothing was forgotten.';

CREATE TABLE postbus_inbox.position (
    source      int NOT NULL REFERENCES postbus_inbox.source,
    partition   int NOT NULL,
    next_offset bigint NOT NULL,
    epoch       bigint NOT NULL,
    incarnation int NOT NULL DEFAULT 0,
    owner       text NOT NULL,
    held        boolean NOT NULL DEFAULT false,
    doubt_to    bigint NOT NULL DEFAULT 0,
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE postbus_inbox.position IS 'Where reading goes on: all before next_offset is handled, waits, is dead, or matched no filter.';
COMMENT ON COLUMN postbus_inbox.position.source IS 'The topic of a subscription.';
COMMENT ON COLUMN postbus_inbox.position.partition IS 'The partition.';
COMMENT ON COLUMN postbus_inbox.position.next_offset IS 'The next offset to be read.';
COMMENT ON COLUMN postbus_inbox.position.epoch IS 'Goes up each time that somebody takes the partition over; who has an older one moves nothing.';
COMMENT ON COLUMN postbus_inbox.position.incarnation IS 'Goes up when the topic is found shorter than what was read of it: it was made anew.';
COMMENT ON COLUMN postbus_inbox.position.owner IS 'Which member took it over last: a part of the application_name of its sessions.';
COMMENT ON COLUMN postbus_inbox.position.held IS 'Whether the owner has it, or died with it. false: it gave it up.';
COMMENT ON COLUMN postbus_inbox.position.doubt_to IS 'A member that had the partition died, and may have been handling one of the events before this offset.';
COMMENT ON COLUMN postbus_inbox.position.moved_at IS 'When it was taken over or moved last.';

CREATE TABLE postbus_inbox.gap (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      int NOT NULL REFERENCES postbus_inbox.source,
    partition   int NOT NULL,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,
    reason      text COLLATE "C" NOT NULL CHECK (reason IN ('deleted', 'made_anew')),
    noticed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE postbus_inbox.gap IS 'What could not be read: Kafka had deleted it before it was handled, or the topic was made anew.';
COMMENT ON COLUMN postbus_inbox.gap.n IS 'The order.';
COMMENT ON COLUMN postbus_inbox.gap.source IS 'The topic of a subscription.';
COMMENT ON COLUMN postbus_inbox.gap.partition IS 'The partition.';
COMMENT ON COLUMN postbus_inbox.gap.from_offset IS 'Where reading should have gone on.';
COMMENT ON COLUMN postbus_inbox.gap.to_offset IS 'Where it went on.';
COMMENT ON COLUMN postbus_inbox.gap.reason IS 'deleted: Kafka''s retention was faster. made_anew: the topic ended before the position.';
COMMENT ON COLUMN postbus_inbox.gap.noticed_at IS 'When.';

-- What was handled. Four leaves, of which one is open; the oldest is emptied in one piece (rotate). No column says when: the leaf does.
CREATE TABLE postbus_inbox.inbox (
    identity     uuid NOT NULL,
    kafka_offset bigint NOT NULL,
    record_ms    bigint NOT NULL,
    source       int NOT NULL,
    partition    int NOT NULL,
    leaf         smallint NOT NULL
) PARTITION BY LIST (leaf);
COMMENT ON TABLE postbus_inbox.inbox IS 'Each event that was handled, set aside or given up: its row commits together with what the handler wrote.';
COMMENT ON COLUMN postbus_inbox.inbox.identity IS 'The event id; for a record without one, its partition and offset in the form of a UUID of version 0.';
COMMENT ON COLUMN postbus_inbox.inbox.kafka_offset IS 'The offset at which it was handled.';
COMMENT ON COLUMN postbus_inbox.inbox.record_ms IS 'The record''s timestamp.';
COMMENT ON COLUMN postbus_inbox.inbox.source IS 'The topic of a subscription.';
COMMENT ON COLUMN postbus_inbox.inbox.partition IS 'The partition.';
COMMENT ON COLUMN postbus_inbox.inbox.leaf IS 'Which part of the inbox it is in.';
DO $$
BEGIN
    FOR leaf IN 0..3 LOOP
        EXECUTE format('CREATE TABLE postbus_inbox.inbox_%s PARTITION OF postbus_inbox.inbox FOR VALUES IN (%s)', leaf, leaf);
        EXECUTE format('CREATE UNIQUE INDEX ON postbus_inbox.inbox_%s (source, identity)', leaf);
    END LOOP;
END $$;

CREATE TABLE postbus_inbox.rotation (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    leaf          smallint NOT NULL,
    next_leaf     smallint,
    announced_xid xid8,
    opened_at     timestamptz NOT NULL,
    retention     interval NOT NULL CHECK (retention >= interval '1 minute')
);
INSERT INTO postbus_inbox.rotation (leaf, opened_at, retention) VALUES (0, clock_timestamp(), '7 days');
COMMENT ON TABLE postbus_inbox.rotation IS 'Which leaf of the inbox is open, and for how long at least what was handled is remembered.';
COMMENT ON COLUMN postbus_inbox.rotation.only_row IS 'There is one row.';
COMMENT ON COLUMN postbus_inbox.rotation.leaf IS 'The leaf that is open.';
COMMENT ON COLUMN postbus_inbox.rotation.next_leaf IS 'The leaf that will be open: until all transactions know of it, rows go into both.';
COMMENT ON COLUMN postbus_inbox.rotation.announced_xid IS 'A transaction that began when next_leaf was announced: whoever may not know of it has an older xid. NULL: none has begun yet.';
COMMENT ON COLUMN postbus_inbox.rotation.opened_at IS 'Since when the leaf is open.';
COMMENT ON COLUMN postbus_inbox.rotation.retention IS 'For how long at least an event is remembered. A leaf is open for a third of it.';

-- Who began an attempt that may kill the process: its row is committed before the handler runs, and goes when the attempt has ended, however it did. So
-- a row of a member that is gone is an attempt that killed it. No index but the key: there are never more rows than threads.
CREATE TABLE postbus_inbox.in_hand (
    source   int NOT NULL,
    identity uuid NOT NULL,
    member   text COLLATE "C" NOT NULL,
    since    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, identity, member)
);
COMMENT ON TABLE postbus_inbox.in_hand IS 'Attempts that have begun and not ended, where an earlier process died: at events that it may have been handling, and at events that had waited.';
COMMENT ON COLUMN postbus_inbox.in_hand.source IS 'The topic of a subscription.';
COMMENT ON COLUMN postbus_inbox.in_hand.identity IS 'As in the inbox.';
COMMENT ON COLUMN postbus_inbox.in_hand.member IS 'Who began it: as position.owner.';
COMMENT ON COLUMN postbus_inbox.in_hand.since IS 'When.';

-- Events that wait for another attempt. due_at NULL: behind an earlier one of the key. queue is a hash of topic and key; should two keys have the
-- same, they wait for each other, and no event ever passes.
CREATE TABLE postbus_inbox.waiting (
    n                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription     int NOT NULL REFERENCES postbus_inbox.subscription,
    source           int NOT NULL REFERENCES postbus_inbox.source,
    partition        int NOT NULL,
    kafka_offset     bigint NOT NULL,
    identity         uuid NOT NULL,
    queue            bigint,
    event_id         uuid,
    type             text,
    key              bytea,
    value            bytea,
    header_names     bytea[] NOT NULL,
    header_values    bytea[] NOT NULL,
    record_ms        bigint NOT NULL,
    attempts         int NOT NULL,
    deaths           int NOT NULL DEFAULT 0,
    due_at           timestamptz,
    first_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error       text,
    history          jsonb NOT NULL DEFAULT '[]',
    beside           text[]
);
ALTER TABLE postbus_inbox.waiting ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX waiting_due ON postbus_inbox.waiting (subscription, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX waiting_queue ON postbus_inbox.waiting (subscription, queue, n) WHERE queue IS NOT NULL;
COMMENT ON TABLE postbus_inbox.waiting IS 'Events that wait for another attempt, and those that wait behind them.';
COMMENT ON COLUMN postbus_inbox.waiting.n IS 'The order within a key.';
COMMENT ON COLUMN postbus_inbox.waiting.subscription IS 'The subscription.';
COMMENT ON COLUMN postbus_inbox.waiting.source IS 'The topic of the subscription.';
COMMENT ON COLUMN postbus_inbox.waiting.partition IS 'The record''s partition.';
COMMENT ON COLUMN postbus_inbox.waiting.kafka_offset IS 'The record''s offset.';
COMMENT ON COLUMN postbus_inbox.waiting.identity IS 'As in the inbox.';
COMMENT ON COLUMN postbus_inbox.waiting.queue IS 'A hash of topic and key: later events of it wait behind this one. NULL: none do.';
COMMENT ON COLUMN postbus_inbox.waiting.event_id IS 'The event id, where the record has one.';
COMMENT ON COLUMN postbus_inbox.waiting.type IS 'The event''s type.';
COMMENT ON COLUMN postbus_inbox.waiting.key IS 'The record''s key.';
COMMENT ON COLUMN postbus_inbox.waiting.value IS 'The record''s value.';
COMMENT ON COLUMN postbus_inbox.waiting.header_names IS 'The names of the record''s headers, in their order.';
COMMENT ON COLUMN postbus_inbox.waiting.header_values IS 'Their values.';
COMMENT ON COLUMN postbus_inbox.waiting.record_ms IS 'The record''s timestamp.';
COMMENT ON COLUMN postbus_inbox.waiting.attempts IS 'How often it was tried.';
COMMENT ON COLUMN postbus_inbox.waiting.deaths IS 'How many of the attempts ended with the process. From the first on it is handled while its process handles nothing else that could be at fault.';
COMMENT ON COLUMN postbus_inbox.waiting.due_at IS 'When it is tried next. NULL: it waits behind an earlier one of its key.';
COMMENT ON COLUMN postbus_inbox.waiting.first_at IS 'When it was set aside.';
COMMENT ON COLUMN postbus_inbox.waiting.last_error IS 'Why the last attempt failed.';
COMMENT ON COLUMN postbus_inbox.waiting.history IS 'Each attempt: number, time, error; the last 50.';
COMMENT ON COLUMN postbus_inbox.waiting.beside IS 'It was redriven: the virtual transactions that may be handling an event of its key, for which it waits; none: nobody has looked yet. NULL: nothing is waited for.';

CREATE TABLE postbus_inbox.dead (
    n             bigint PRIMARY KEY,
    subscription  int NOT NULL REFERENCES postbus_inbox.subscription,
    source        int NOT NULL REFERENCES postbus_inbox.source,
    partition     int NOT NULL,
    kafka_offset  bigint NOT NULL,
    identity      uuid NOT NULL,
    queue         bigint,
    event_id      uuid,
    type          text,
    key           bytea,
    value         bytea,
    value_bytes   int GENERATED ALWAYS AS (octet_length(value)) STORED,
    header_names  bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    record_ms     bigint NOT NULL,
    attempts      int NOT NULL,
    first_at      timestamptz NOT NULL,
    last_error    text,
    history       jsonb NOT NULL,
    reason        text COLLATE "C" NOT NULL,
    died_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE postbus_inbox.dead ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX dead_subscription ON postbus_inbox.dead (subscription, n);
COMMENT ON TABLE postbus_inbox.dead IS 'Dead letters: events that a subscription gave up.';
COMMENT ON COLUMN postbus_inbox.dead.n IS 'Its number.';
COMMENT ON COLUMN postbus_inbox.dead.subscription IS 'The subscription.';
COMMENT ON COLUMN postbus_inbox.dead.source IS 'The topic of the subscription.';
COMMENT ON COLUMN postbus_inbox.dead.partition IS 'The record''s partition.';
COMMENT ON COLUMN postbus_inbox.dead.kafka_offset IS 'The record''s offset.';
COMMENT ON COLUMN postbus_inbox.dead.identity IS 'As in the inbox.';
COMMENT ON COLUMN postbus_inbox.dead.queue IS 'As in waiting.';
COMMENT ON COLUMN postbus_inbox.dead.event_id IS 'The event id, where the record has one.';
COMMENT ON COLUMN postbus_inbox.dead.type IS 'The event''s type.';
COMMENT ON COLUMN postbus_inbox.dead.key IS 'The record''s key.';
COMMENT ON COLUMN postbus_inbox.dead.value IS 'The record''s value.';
COMMENT ON COLUMN postbus_inbox.dead.value_bytes IS 'Its length.';
COMMENT ON COLUMN postbus_inbox.dead.header_names IS 'The names of the record''s headers, in their order.';
COMMENT ON COLUMN postbus_inbox.dead.header_values IS 'Their values.';
COMMENT ON COLUMN postbus_inbox.dead.record_ms IS 'The record''s timestamp.';
COMMENT ON COLUMN postbus_inbox.dead.attempts IS 'How often it was tried.';
COMMENT ON COLUMN postbus_inbox.dead.first_at IS 'When it was set aside first.';
COMMENT ON COLUMN postbus_inbox.dead.last_error IS 'What the last attempt, or the judgement that it cannot be handled, said.';
COMMENT ON COLUMN postbus_inbox.dead.history IS 'Each attempt: number, time, error; the last 50.';
COMMENT ON COLUMN postbus_inbox.dead.reason IS 'exhausted, rejected, unreadable, forgotten or transaction_ended.';
COMMENT ON COLUMN postbus_inbox.dead.died_at IS 'When.';

-- Replaces an application's list. list: [{"key", "topics", "filter", "options"}]. What a list with a higher version wrote stays as it is, and what that ended
-- stays ended: while an application is deployed, processes of the version before start, too. Returns those of the list, and whether they hold.
CREATE FUNCTION postbus_inbox.subscribe(p_application text, p_list jsonb, p_version int DEFAULT 0) RETURNS TABLE (id int, key text, holds boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE postbus_inbox.subscription IN SHARE ROW EXCLUSIVE MODE;
    UPDATE postbus_inbox.subscription s SET ended_at = coalesce(s.ended_at, clock_timestamp()), list_version = p_version
     WHERE s.application = p_application AND s.list_version <= p_version
       AND s.key NOT IN (SELECT e->>'key' FROM jsonb_array_elements(p_list) e);
    INSERT INTO postbus_inbox.subscription AS s (application, key, topics, filter, options, list_version)
    SELECT p_application, e->>'key', ARRAY(SELECT jsonb_array_elements_text(e->'topics')), nullif(e->'filter', 'null'), e->'options', p_version
      FROM jsonb_array_elements(p_list) e
    ON CONFLICT ON CONSTRAINT subscription_application_key_key DO UPDATE
       SET topics = excluded.topics, filter = excluded.filter, options = excluded.options, ended_at = NULL, list_version = p_version
     WHERE s.list_version <= p_version;
    -- Also for topics of a lower version's list: its process reads them as long as it lives, as those do that were started before.
    INSERT INTO postbus_inbox.source (subscription, topic)
    SELECT s.id, unnest(s.topics) FROM postbus_inbox.subscription s
     WHERE s.application = p_application AND s.ended_at IS NULL
     UNION
    SELECT s.id, jsonb_array_elements_text(e->'topics')
      FROM jsonb_array_elements(p_list) e JOIN postbus_inbox.subscription s ON s.application = p_application AND s.key = e->>'key'
     WHERE s.ended_at IS NULL
    ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT s.id, s.key, s.ended_at IS NULL FROM postbus_inbox.subscription s
                  WHERE s.application = p_application AND s.key IN (SELECT e->>'key' FROM jsonb_array_elements(p_list) e);
END $$;
COMMENT ON FUNCTION postbus_inbox.subscribe(text, jsonb, int) IS 'Replaces an application''s list of subscriptions, all at once, but for what a list with a higher version says.';

CREATE FUNCTION postbus_inbox.unsubscribe(p_application text, p_key text DEFAULT NULL) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH ended AS (
        UPDATE postbus_inbox.subscription s SET ended_at = clock_timestamp()
         WHERE s.application = p_application AND (p_key IS NULL OR s.key = p_key) AND s.ended_at IS NULL
        RETURNING 1)
    SELECT count(*) FROM ended
$$;
COMMENT ON FUNCTION postbus_inbox.unsubscribe(text, text) IS 'Ends one of an application''s subscriptions, or all of them. Workers that run them stop within seconds; positions and waiting events stay. Returns how many.';

-- Takes partitions over. low and high: where the partition begins and ends in Kafka; NULL: not known now. start: where to begin if nothing is stored;
-- what cannot be placed yet is not returned.
CREATE FUNCTION postbus_inbox.place(p_source int[], p_partition int[], p_low bigint[], p_high bigint[], p_start bigint[], p_owner text)
RETURNS TABLE (source int, partition int, next_offset bigint, epoch bigint, incarnation int, gap_from bigint, gap_reason text, doubt_to bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted record;
    found_at postbus_inbox.position;
BEGIN
    FOR wanted IN SELECT * FROM unnest(p_source, p_partition, p_low, p_high, p_start) AS u (source, partition, low, high, start)
                   ORDER BY u.source, u.partition LOOP
        INSERT INTO postbus_inbox.position AS p (source, partition, next_offset, epoch, owner)
        SELECT wanted.source, wanted.partition, wanted.start, 0, p_owner WHERE wanted.start IS NOT NULL
        ON CONFLICT DO NOTHING;
        -- Who did not give it up has died, or is taken for dead: what it was handling lies before the end of the partition.
        UPDATE postbus_inbox.position p
           SET epoch = p.epoch + 1, owner = p_owner, held = true, moved_at = clock_timestamp(),
               doubt_to = least(CASE WHEN p.held AND p.owner <> p_owner THEN 9223372036854775807 ELSE p.doubt_to END, wanted.high)
         WHERE p.source = wanted.source AND p.partition = wanted.partition RETURNING * INTO found_at;
        CONTINUE WHEN NOT FOUND;
        source := wanted.source;
        partition := wanted.partition;
        next_offset := found_at.next_offset;
        epoch := found_at.epoch;
        incarnation := found_at.incarnation;
        doubt_to := found_at.doubt_to;
        gap_from := NULL;
        gap_reason := CASE WHEN found_at.next_offset < wanted.low THEN 'deleted' WHEN found_at.next_offset > wanted.high THEN 'made_anew' END;
        IF gap_reason IS NOT NULL THEN
            gap_from := found_at.next_offset;
            next_offset := wanted.low;
            incarnation := incarnation + (gap_reason = 'made_anew')::int;
            INSERT INTO postbus_inbox.gap (source, partition, from_offset, to_offset, reason)
            VALUES (wanted.source, wanted.partition, gap_from, wanted.low, gap_reason);
            UPDATE postbus_inbox.position p SET next_offset = wanted.low, incarnation = place.incarnation,
                                                doubt_to = CASE gap_reason WHEN 'made_anew' THEN 0 ELSE p.doubt_to END
             WHERE p.source = wanted.source AND p.partition = wanted.partition;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION postbus_inbox.place(int[], int[], bigint[], bigint[], bigint[], text) IS 'For the worker: takes partitions over and says where reading goes on.';

-- In this and in what follows rows are looked up one by one, whatever the planner believes: a plan that was made while a leaf was empty is kept while it
-- grows to millions. Without jit, which takes the cost of a scan that cannot be avoided for real, and a second for each event. The claim
-- has one plan for all calls: where leaves are looked up PostgreSQL takes plans for known values to be cheaper, and plans each call, which takes longer
-- than to run it.

-- Claims events for this transaction. state: 0 new, 1 handled before, 2 an earlier event of its key waits, 3 so old that nobody knows. Two transactions that
-- claim one event: the second waits for the end of the first. While a leaf is announced rows go into both, so that whoever
-- knows only the old one and whoever knows only the new one never run at the same time, and each meets those that know both.
CREATE FUNCTION postbus_inbox.claim(p_subscription int, p_source int[], p_identity uuid[], p_partition int[], p_offset bigint[], p_record_ms bigint[],
                                    p_queue bigint[])
RETURNS TABLE (place int, state int, xid xid8)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    fresh boolean[];
    open_leaf smallint;
    announced_leaf smallint;
BEGIN
    WITH r AS MATERIALIZED (SELECT leaf, next_leaf FROM postbus_inbox.rotation),
    e AS MATERIALIZED (
        SELECT * FROM unnest(p_source, p_identity, p_partition, p_offset, p_record_ms) WITH ORDINALITY
                      AS u (source, identity, partition, kafka_offset, record_ms, place)),
    put AS (
        INSERT INTO postbus_inbox.inbox AS i (identity, kafka_offset, record_ms, source, partition, leaf)
        SELECT e.identity, e.kafka_offset, e.record_ms, e.source, e.partition, l.leaf
          FROM e CROSS JOIN r CROSS JOIN LATERAL (SELECT r.leaf UNION ALL SELECT r.next_leaf WHERE r.next_leaf IS NOT NULL) l
         WHERE NOT EXISTS (SELECT FROM postbus_inbox.inbox o WHERE o.source = e.source AND o.identity = e.identity)
         ORDER BY e.source, e.identity, e.place
        ON CONFLICT DO NOTHING
        RETURNING i.source, i.identity, i.partition, i.kafka_offset),
    -- Counted in one pass: a look for each event among all that were put would be a thousand times a thousand.
    counted AS (
        SELECT b.place, count(*) FILTER (WHERE b.place IS NULL) OVER same AS n_put, min(b.place) OVER same AS first_place
          FROM (SELECT e.source, e.identity, e.partition, e.kafka_offset, e.place FROM e
                UNION ALL SELECT put.source, put.identity, put.partition, put.kafka_offset, NULL FROM put) b
        WINDOW same AS (PARTITION BY b.source, b.identity, b.partition, b.kafka_offset))
    SELECT array_agg(c.n_put = 1 + (r.next_leaf IS NOT NULL)::int AND c.place = c.first_place ORDER BY c.place), min(r.leaf), min(r.next_leaf)
      INTO fresh, open_leaf, announced_leaf
      FROM counted c CROSS JOIN r WHERE c.place IS NOT NULL;
    -- Who looked before a leaf was announced, and had an xid only afterwards, is nobody for whom rotate waits. It begins again.
    IF true = ANY (fresh) AND NOT EXISTS (SELECT FROM postbus_inbox.rotation r
                                           WHERE r.leaf = open_leaf AND r.next_leaf IS NOT DISTINCT FROM announced_leaf) THEN
        RAISE EXCEPTION 'postbus: the inbox has turned meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    -- A statement of its own, with a newer snapshot: it sees what those left behind for whom the first one waited. LIMIT in place of
    -- EXISTS: that may be planned as a hash of all that waits, and PostgreSQL 18 makes that choice whatever enable_seqscan says.
    RETURN QUERY
    SELECT u.place::int,
           CASE WHEN NOT fresh[u.place::int] THEN 1
                WHEN substr(u.identity::text, 15, 1) <> '0' AND u.record_ms <= s.horizon_ms THEN 3
                WHEN u.queue IS NOT NULL AND (SELECT true FROM postbus_inbox.waiting w WHERE w.subscription = p_subscription AND w.queue = u.queue LIMIT 1) THEN 2
                ELSE 0 END,
           pg_current_xact_id_if_assigned()
      FROM unnest(p_source, p_identity, p_queue, p_record_ms) WITH ORDINALITY AS u (source, identity, queue, record_ms, place)
      JOIN postbus_inbox.source s ON s.id = u.source
     ORDER BY u.place;
END $$;
COMMENT ON FUNCTION postbus_inbox.claim(int, int[], uuid[], int[], bigint[], bigint[], bigint[]) IS 'For the worker: claims events for this transaction.';

-- The same for one event, which is what a worker without batches does for each: without the arrays, and so for less than half. It has its xid from the first
-- statement on, so the second sees a leaf that was announced before, and rotate waits for whoever has not seen it.
CREATE FUNCTION postbus_inbox.claim_one(p_subscription int, p_source int, p_identity uuid, p_partition int, p_offset bigint, p_record_ms bigint, p_queue bigint,
                                        OUT state int, OUT xid xid8)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    open_leaf smallint;
    seen record;
BEGIN
    state := 1;
    INSERT INTO postbus_inbox.inbox AS i (identity, kafka_offset, record_ms, source, partition, leaf)
    SELECT p_identity, p_offset, p_record_ms, p_source, p_partition, r.leaf FROM postbus_inbox.rotation r
     WHERE r.only_row AND NOT EXISTS (SELECT FROM postbus_inbox.inbox o WHERE o.source = p_source AND o.identity = p_identity)
    ON CONFLICT DO NOTHING RETURNING i.leaf INTO open_leaf;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT r.leaf, r.next_leaf, substr(p_identity::text, 15, 1) <> '0' AND p_record_ms <= s.horizon_ms AS forgotten,
           p_queue IS NOT NULL AND EXISTS (SELECT FROM postbus_inbox.waiting w WHERE w.subscription = p_subscription AND w.queue = p_queue) AS behind
      INTO seen FROM postbus_inbox.rotation r CROSS JOIN postbus_inbox.source s WHERE r.only_row AND s.id = p_source;
    IF NOT FOUND THEN
        state := NULL;
        RETURN;
    END IF;
    IF seen.leaf <> open_leaf THEN
        RAISE EXCEPTION 'postbus: the inbox has turned meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    IF seen.next_leaf IS NOT NULL THEN
        INSERT INTO postbus_inbox.inbox (identity, kafka_offset, record_ms, source, partition, leaf)
        VALUES (p_identity, p_offset, p_record_ms, p_source, p_partition, seen.next_leaf) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        seen.behind := p_queue IS NOT NULL AND EXISTS (SELECT FROM postbus_inbox.waiting w WHERE w.subscription = p_subscription AND w.queue = p_queue);
    END IF;
    state := CASE WHEN seen.forgotten THEN 3 WHEN seen.behind THEN 2 ELSE 0 END;
    xid := pg_current_xact_id_if_assigned();
END $$;
COMMENT ON FUNCTION postbus_inbox.claim_one(int, int, uuid, int, bigint, bigint, bigint) IS 'For the worker: claims one event for this transaction.';

-- Notes, for the moment after the commit, that an attempt begins. Returns how many attempts at the event have killed their processes since the last one
-- ended otherwise; where there are any nothing is noted: they are to be written down first. Of a member that has sessions, nothing is
-- known yet; nor is it of one whose note is older than the server's start, which ended all sessions: such notes are removed. The commit is not waited for:
-- what dies is the worker, and PostgreSQL with its unwritten log lives on.
CREATE FUNCTION postbus_inbox.begin_attempt(p_source int, p_identity uuid, p_member text) RETURNS int
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    n_dead int;
BEGIN
    SELECT count(*) INTO n_dead FROM postbus_inbox.in_hand h
     WHERE h.source = p_source AND h.identity = p_identity AND h.member <> p_member AND h.since > pg_catalog.pg_postmaster_start_time()
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.application_name LIKE 'postbus ' || h.member || ' %');
    IF n_dead = 0 THEN
        PERFORM set_config('synchronous_commit', 'off', true);
        DELETE FROM postbus_inbox.in_hand h
         WHERE h.source = p_source AND h.identity = p_identity AND h.since <= pg_catalog.pg_postmaster_start_time();
        INSERT INTO postbus_inbox.in_hand (source, identity, member) VALUES (p_source, p_identity, p_member) ON CONFLICT DO NOTHING;
    END IF;
    RETURN n_dead;
END $$;
COMMENT ON FUNCTION postbus_inbox.begin_attempt(int, uuid, text) IS 'For the worker: notes that an attempt begins, and says how many have killed their processes.';

-- The same for an event that was read; -1: it was handled before, and nothing is noted.
CREATE FUNCTION postbus_inbox.pick_up(p_source int, p_identity uuid, p_member text) RETURNS int
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM postbus_inbox.inbox i WHERE i.source = p_source AND i.identity = p_identity) THEN
        RETURN -1;
    END IF;
    RETURN postbus_inbox.begin_attempt(p_source, p_identity, p_member);
END $$;
COMMENT ON FUNCTION postbus_inbox.pick_up(int, uuid, text) IS 'For the worker: notes that an event that was read is about to be handled.';

-- What was noted is over.
CREATE FUNCTION postbus_inbox.put_down(p_source int, p_identity uuid) RETURNS void
LANGUAGE sql SET enable_seqscan = off SET jit = off
AS $$
    DELETE FROM postbus_inbox.in_hand h WHERE h.source = p_source AND h.identity = p_identity
$$;
COMMENT ON FUNCTION postbus_inbox.put_down(int, uuid) IS 'For the worker: an attempt has ended.';

-- The transaction must still be the one that claimed: a handler that ended it has committed or lost what it should not.
CREATE FUNCTION postbus_inbox.same(p_xid xid8) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_current_xact_id_if_assigned() IS DISTINCT FROM p_xid THEN
        RAISE EXCEPTION 'postbus: the handler ended the transaction that it was given' USING ERRCODE = 'PB020';
    END IF;
END $$;
COMMENT ON FUNCTION postbus_inbox.same(xid8) IS 'For the worker: fails where this is not the transaction with that id.';

-- A batch claims all its events before it handles the first. A handler that committed then would make the claims of those that come after it last, without
-- their effects. So in a transaction of a batch (postbus.batch = 'open') nobody's COMMIT succeeds before the worker has said 'closed'.
CREATE FUNCTION postbus_inbox.refuse_commit() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('postbus.batch', true) IS DISTINCT FROM 'closed' THEN
        RAISE EXCEPTION 'postbus: the transaction of a batch is committed by the worker only' USING ERRCODE = 'PB021';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION postbus_inbox.refuse_commit() IS 'Fails at the end of a batch that is not the worker''s doing.';
CREATE CONSTRAINT TRIGGER batch AFTER INSERT ON postbus_inbox.inbox DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('postbus.batch', true) = 'open') EXECUTE FUNCTION postbus_inbox.refuse_commit();

-- Waits for whoever finishes the first event of a queue at this moment, and keeps it from being finished until this transaction ends.
-- Its execution is not waited for: that holds a weaker lock.
CREATE FUNCTION postbus_inbox.is_queued(p_subscription int, p_queue bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    LOOP
        PERFORM FROM postbus_inbox.waiting w WHERE w.subscription = p_subscription AND w.queue = p_queue ORDER BY w.n LIMIT 1 FOR KEY SHARE;
        IF FOUND THEN
            RETURN true;
        END IF;
        IF NOT EXISTS (SELECT FROM postbus_inbox.waiting w WHERE w.subscription = p_subscription AND w.queue = p_queue) THEN
            RETURN false;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION postbus_inbox.is_queued(int, bigint) IS 'For the worker: whether events of a key wait; if so, the first one is not finished before this transaction ends.';

-- Sets an event aside: behind those of its key that wait, or, unless p_only_behind, until p_delay_ms have passed. false: nothing waits, and nothing was done.
-- p_deaths: so many attempts killed their processes, and are what is to be noted; 0: one attempt failed otherwise.
CREATE FUNCTION postbus_inbox.set_aside(p_subscription int, p_source int, p_partition int, p_offset bigint, p_identity uuid, p_queue bigint, p_event_id uuid,
                                        p_type text, p_key bytea, p_value bytea, p_names bytea[], p_values bytea[], p_record_ms bigint,
                                        p_only_behind boolean, p_delay_ms bigint, p_deaths int, p_error text)
RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    behind boolean := p_queue IS NOT NULL AND postbus_inbox.is_queued(p_subscription, p_queue);
    tries int := CASE WHEN p_only_behind THEN 0 ELSE greatest(p_deaths, 1) END;
BEGIN
    IF p_only_behind AND NOT behind THEN
        RETURN false;
    END IF;
    INSERT INTO postbus_inbox.waiting (subscription, source, partition, kafka_offset, identity, queue, event_id, type, key, value, header_names, header_values,
                                       record_ms, attempts, deaths, due_at, last_error, history)
    VALUES (p_subscription, p_source, p_partition, p_offset, p_identity, p_queue, p_event_id, p_type, p_key, p_value, p_names, p_values, p_record_ms, tries,
            p_deaths, CASE WHEN NOT behind THEN clock_timestamp() + p_delay_ms * interval '1 millisecond' END, p_error,
            CASE WHEN tries = 0 THEN '[]' ELSE jsonb_build_array(jsonb_build_object('attempt', tries, 'at', clock_timestamp(), 'error', p_error)) END);
    PERFORM postbus_inbox.put_down(p_source, p_identity);
    RETURN true;
END $$;
COMMENT ON FUNCTION postbus_inbox.set_aside(int, int, int, bigint, uuid, bigint, uuid, text, bytea, bytea, bytea[], bytea[], bigint, boolean, bigint, int, text) IS
'For the worker: sets an event aside for another attempt.';

-- Makes a dead letter of an event that did not wait.
CREATE FUNCTION postbus_inbox.bury(p_subscription int, p_source int, p_partition int, p_offset bigint, p_identity uuid, p_queue bigint, p_event_id uuid,
                                   p_type text, p_key bytea, p_value bytea, p_names bytea[], p_values bytea[], p_record_ms bigint, p_reason text, p_error text)
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT postbus_inbox.put_down(p_source, p_identity);
    INSERT INTO postbus_inbox.dead (n, subscription, source, partition, kafka_offset, identity, queue, event_id, type, key, value, header_names, header_values,
                                    record_ms, attempts, first_at, last_error, history, reason)
    SELECT nextval('postbus_inbox.waiting_n_seq'), p_subscription, p_source, p_partition, p_offset, p_identity, p_queue, p_event_id, p_type, p_key, p_value,
           p_names, p_values, p_record_ms, tried.n, clock_timestamp(), p_error,
           CASE WHEN tried.n = 0 THEN '[]' ELSE jsonb_build_array(jsonb_build_object('attempt', 1, 'at', clock_timestamp(), 'error', p_error)) END, p_reason
      FROM (SELECT (p_reason NOT IN ('unreadable', 'forgotten'))::int) tried (n)
    RETURNING n
$$;
COMMENT ON FUNCTION postbus_inbox.bury(int, int, int, bigint, uuid, bigint, uuid, text, bytea, bytea, bytea[], bytea[], bigint, text, text) IS
'For the worker: makes a dead letter of an event.';

-- Which virtual transactions of this session's subscription have claimed events, this one's aside: whoever claims holds a lock of the inbox to the end. Whose
-- session a lane is its name says.
CREATE FUNCTION postbus_inbox.claimers() RETURNS text[]
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_stat_clear_snapshot();  -- it would know of no session that has come since this transaction looked first
    SELECT coalesce(array_agg(l.virtualtransaction), '{}') FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'relation' AND l.relation = 'postbus_inbox.inbox'::regclass AND l.mode = 'RowExclusiveLock'
       AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.pid <> pg_backend_pid()
       AND regexp_replace(a.application_name, '^postbus \S+ \S+ ', '') = regexp_replace(current_setting('application_name'), '^postbus \S+ \S+ ', '')
$$;
COMMENT ON FUNCTION postbus_inbox.claimers() IS 'For the worker: the virtual transactions that are handling events of its subscription.';

-- Whether a redriven event has to wait still. Who claimed an event of its key without seeing it holds its lock at the first look; who claims later sees it and
-- is put behind it. So of those whom the first look found all have to end, and nobody else. One look is for all that wait for the same, of thousands that
-- were redriven together; they are chosen before it, as of one that comes after it the look would not know whom to wait for.
CREATE FUNCTION postbus_inbox.has_company(p_subscription int, p_n bigint, p_beside text[]) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    alike bigint[] := ARRAY(SELECT w.n FROM postbus_inbox.waiting w
                             WHERE w.n = ANY (ARRAY(SELECT d.n FROM postbus_inbox.waiting d
                                                     WHERE d.subscription = p_subscription AND d.due_at <= clock_timestamp() ORDER BY d.due_at LIMIT 1000))
                               AND w.beside = p_beside FOR NO KEY UPDATE SKIP LOCKED);
    now_there text[] := postbus_inbox.claimers();
    left_over text[] := CASE WHEN p_beside = '{}' THEN now_there
                             ELSE ARRAY(SELECT b FROM unnest(p_beside) b WHERE b = ANY (now_there)) END;
    wait boolean := left_over <> '{}';
BEGIN
    UPDATE postbus_inbox.waiting w
       SET beside = CASE WHEN wait THEN left_over END, due_at = CASE WHEN wait THEN clock_timestamp() + interval '100 milliseconds' ELSE w.due_at END
     WHERE w.n = ANY (p_n || alike);
    RETURN wait;
END $$;
COMMENT ON FUNCTION postbus_inbox.has_company(int, bigint, text[]) IS 'For the worker: whether a redriven event waits for what was being handled when it was redriven.';

-- Looks for an event that is due, and notes as begin_attempt that an attempt at it begins. died: what that returns. deaths: of its attempts so many have ended
-- with the process; then, unless it is p_alone, nothing is noted: it is to be asked for again once its process handles nothing else.
CREATE FUNCTION postbus_inbox.pick_due(p_subscription int, p_member text, p_alone bigint) RETURNS TABLE (n bigint, deaths int, died int)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    due record;
    until timestamptz := clock_timestamp();
BEGIN
    LOOP
        SELECT w.n, w.deaths, w.source, w.identity, w.beside INTO due FROM postbus_inbox.waiting w
         WHERE w.subscription = p_subscription AND w.due_at <= until AND (p_alone IS NULL OR w.n = p_alone)
         ORDER BY w.due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN due.beside IS NULL;
        EXIT WHEN NOT postbus_inbox.has_company(p_subscription, due.n, due.beside);
    END LOOP;
    n := due.n;
    deaths := due.deaths;
    died := CASE WHEN due.deaths > 0 AND p_alone IS NULL THEN 0 ELSE postbus_inbox.begin_attempt(due.source, due.identity, p_member) END;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION postbus_inbox.pick_due(int, text, bigint) IS 'For the worker: looks for an event that is due.';

-- Takes the event p_n for this transaction, where it is still due, and counts the attempt in it. The lock lets others append to its queue. A handler that
-- commits by itself gives up that lock, but commits the later due_at, too: nobody else takes the event before the worker, which has noticed, has made a dead
-- letter of it.
CREATE FUNCTION postbus_inbox.take(p_n bigint) RETURNS TABLE (xid xid8, event postbus_inbox.waiting)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    UPDATE postbus_inbox.waiting w SET attempts = w.attempts + 1, due_at = clock_timestamp() + interval '1 hour'
     WHERE w.n = (SELECT d.n FROM postbus_inbox.waiting d WHERE d.n = p_n AND d.due_at <= clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING w.* INTO event;
    IF FOUND THEN
        xid := pg_current_xact_id();
        RETURN NEXT;
    END IF;
END $$;
COMMENT ON FUNCTION postbus_inbox.take(bigint) IS 'For the worker: takes an event that is due.';

-- Ends an event's waiting, and lets the next of its key go. Two statements: the first waits for those that are just appending, the second sees what they did.
CREATE FUNCTION postbus_inbox.leave(p_n bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    gone record;
BEGIN
    DELETE FROM postbus_inbox.waiting w WHERE w.n = p_n RETURNING w.subscription, w.queue, w.source, w.identity INTO gone;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM postbus_inbox.put_down(gone.source, gone.identity);
    IF gone.queue IS NOT NULL THEN
        UPDATE postbus_inbox.waiting w SET due_at = clock_timestamp()
         WHERE w.due_at IS NULL
           AND w.n = (SELECT f.n FROM postbus_inbox.waiting f WHERE f.subscription = gone.subscription AND f.queue = gone.queue ORDER BY f.n LIMIT 1);
    END IF;
END $$;
COMMENT ON FUNCTION postbus_inbox.leave(bigint) IS 'For the worker: ends an event''s waiting.';

-- What became of an attempt that failed: p_delay_ms until the next one, or NULL: it is dead, for p_reason. p_attempts: how many there were before; where
-- another number is stored nothing is done, since somebody else was faster, or the handler has committed. p_deaths: as for set_aside.
CREATE FUNCTION postbus_inbox.failed(p_n bigint, p_attempts int, p_delay_ms bigint, p_reason text, p_deaths int, p_error text) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    event postbus_inbox.waiting;
    -- p_deaths NULL: it could not be tried.
    n_tried int := CASE WHEN p_reason = 'transaction_ended' OR p_deaths IS NULL THEN 0 ELSE greatest(p_deaths, 1) END;
BEGIN
    UPDATE postbus_inbox.waiting w
       SET attempts = w.attempts + n_tried, deaths = w.deaths + coalesce(p_deaths, 0), last_error = p_error,
           due_at = clock_timestamp() + coalesce(p_delay_ms, 0) * interval '1 millisecond',
           history = CASE WHEN p_deaths IS NULL THEN w.history
                          ELSE CASE WHEN jsonb_array_length(w.history) >= 50 THEN w.history - 0 ELSE w.history END
                               || jsonb_build_object('attempt', w.attempts + n_tried, 'at', clock_timestamp(), 'error', p_error) END
     WHERE w.n = p_n AND w.attempts = p_attempts RETURNING w.* INTO event;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM postbus_inbox.put_down(event.source, event.identity);
    IF p_delay_ms IS NULL THEN
        INSERT INTO postbus_inbox.dead (n, subscription, source, partition, kafka_offset, identity, queue, event_id, type, key, value, header_names,
                                        header_values, record_ms, attempts, first_at, last_error, history, reason)
        VALUES (event.n, event.subscription, event.source, event.partition, event.kafka_offset, event.identity, event.queue, event.event_id, event.type,
                event.key, event.value, event.header_names, event.header_values, event.record_ms, event.attempts, event.first_at, event.last_error,
                event.history, p_reason);
        PERFORM postbus_inbox.leave(p_n);
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION postbus_inbox.failed(bigint, int, bigint, text, int, text) IS 'For the worker: notes that an attempt failed.';

-- Opens the next leaf of the inbox where the open one is a third as old as the retention, in three steps: it is announced, a transaction is begun that
-- sees the announcement, and all that are older than that one have ended. Before that, the leaf that comes next is emptied. What is forgotten
-- thereby moves the horizon. Returns what was done.
CREATE FUNCTION postbus_inbox.rotate() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $$
DECLARE
    r postbus_inbox.rotation;
    following smallint;
    used boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock(8101821198368076549) THEN
        RETURN 'busy';
    END IF;
    SELECT * INTO r FROM postbus_inbox.rotation;
    IF r.next_leaf IS NOT NULL AND r.announced_xid IS NULL THEN
        -- Not the xid of the announcement itself: while that was being committed, others began that do not see it and have a newer xid.
        UPDATE postbus_inbox.rotation SET announced_xid = pg_current_xact_id();
        RETURN 'announced';
    END IF;
    IF r.next_leaf IS NOT NULL THEN
        IF pg_snapshot_xmin(pg_current_snapshot()) <= r.announced_xid THEN
            RETURN 'announced';
        END IF;
        UPDATE postbus_inbox.rotation SET leaf = r.next_leaf, next_leaf = NULL, announced_xid = NULL, opened_at = clock_timestamp();
        RETURN 'opened';
    END IF;
    IF r.opened_at + r.retention / 3 > clock_timestamp() THEN
        RETURN 'current';
    END IF;
    following := (r.leaf + 1) % 4;
    EXECUTE format('SELECT EXISTS (SELECT FROM postbus_inbox.inbox_%s)', following) INTO used;
    IF used THEN
        BEGIN
            -- Read before it is locked: nothing is written to it any more, and whoever handles an event need not wait while millions of rows are read.
            -- A timestamp of the future is no horizon: one record of a clock that is wrong would make dead letters of all that comes until then.
            EXECUTE format('UPDATE postbus_inbox.source s SET horizon_ms = greatest(s.horizon_ms, f.newest_ms)
                              FROM (SELECT source, max(record_ms) AS newest_ms FROM postbus_inbox.inbox_%s
                                     WHERE record_ms <= extract(epoch FROM clock_timestamp()) * 1000 GROUP BY source) f WHERE f.source = s.id', following);
            EXECUTE format('LOCK TABLE postbus_inbox.inbox_%s IN ACCESS EXCLUSIVE MODE', following);
            EXECUTE format('TRUNCATE postbus_inbox.inbox_%s', following);
            RETURN 'emptied';
        EXCEPTION WHEN lock_not_available THEN
            IF r.opened_at + r.retention * 5 / 12 > clock_timestamp() THEN
                RETURN 'busy';
            END IF;
        END;
        -- A handler that takes minutes keeps its claim's lock on every leaf, and with enough of them one always runs. So what could not be emptied in one
        -- piece goes in portions, for which nobody is waited for; what that costs vacuum is less than an inbox that grows for ever.
        EXECUTE format('WITH gone AS (DELETE FROM postbus_inbox.inbox_%1$s WHERE ctid = ANY (ARRAY(SELECT ctid FROM postbus_inbox.inbox_%1$s LIMIT 100000))
                                      RETURNING source, record_ms)
                        UPDATE postbus_inbox.source s SET horizon_ms = greatest(s.horizon_ms, f.newest_ms)
                          FROM (SELECT source, max(record_ms) AS newest_ms FROM gone
                                 WHERE record_ms <= extract(epoch FROM clock_timestamp()) * 1000 GROUP BY source) f WHERE f.source = s.id', following);
        RETURN 'thinned';
    END IF;
    UPDATE postbus_inbox.rotation SET next_leaf = following;
    RETURN 'announced';
EXCEPTION WHEN lock_not_available THEN
    RETURN 'busy';
END $$;
COMMENT ON FUNCTION postbus_inbox.rotate() IS 'For the worker: opens the next leaf of the inbox when it is time, and empties the oldest.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA postbus_inbox FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA postbus_inbox TO postbus_subscriber;
GRANT SELECT, INSERT, UPDATE ON postbus_inbox.subscription, postbus_inbox.source, postbus_inbox.position TO postbus_subscriber;
GRANT SELECT, INSERT, DELETE ON postbus_inbox.in_hand TO postbus_subscriber;
GRANT SELECT, INSERT ON postbus_inbox.inbox, postbus_inbox.dead, postbus_inbox.gap TO postbus_subscriber;
GRANT SELECT, INSERT, UPDATE, DELETE ON postbus_inbox.waiting TO postbus_subscriber;
GRANT SELECT ON postbus_inbox.rotation TO postbus_subscriber;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA postbus_inbox TO postbus_subscriber;
-- Payloads are the application's: whoever looks on sees keys, types and errors, no values and no headers.
GRANT SELECT ON postbus_inbox.subscription, postbus_inbox.source, postbus_inbox.position, postbus_inbox.gap, postbus_inbox.inbox, postbus_inbox.rotation,
                postbus_inbox.in_hand,
                postbus_inbox.migration TO postbus_viewer, postbus_operator;
GRANT SELECT (n, subscription, source, partition, kafka_offset, identity, queue, event_id, type, key, record_ms, attempts, deaths, due_at, first_at, last_error,
              history, beside) ON postbus_inbox.waiting TO postbus_viewer, postbus_operator;
GRANT SELECT (n, subscription, source, partition, kafka_offset, identity, queue, event_id, type, key, value_bytes, record_ms, attempts, first_at, last_error,
              history, reason, died_at) ON postbus_inbox.dead TO postbus_viewer, postbus_operator;
