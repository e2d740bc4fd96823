-- Parking: which events wait for whom, what an operator wishes for them, and who wished it.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'postbus_operator') THEN
        BEGIN
            CREATE ROLE postbus_operator NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- roles belong to the whole cluster: another database's migration was faster
        END;
    END IF;
END $$;

-- A parked event waits for its topic (a lane: all of the topic, in the order of n), for an operator (it was refused for good), or behind another
-- of its key. queue is a 64-bit hash of topic and key: what the relay keeps in memory of a key that is blocked. Events of one queue leave in the order of
-- n; should two keys have the same hash, they wait for each other, and no event ever passes.
ALTER TABLE postbus.parked
    ADD COLUMN waits_for    text COLLATE "C" NOT NULL DEFAULT 'topic' CHECK (waits_for IN ('topic', 'operator', 'key')),
    ADD COLUMN stops_topic  boolean NOT NULL DEFAULT false,
    ADD COLUMN queue        bigint,
    ADD COLUMN error_code   int,
    ADD COLUMN attempts     int NOT NULL DEFAULT 0,
    ADD COLUMN attempted_at timestamptz;
UPDATE postbus.parked SET reason = 'topic_missing' WHERE reason = 'topic missing';
DROP INDEX postbus.parked_topic;
CREATE INDEX parked_lane ON postbus.parked (topic, n) WHERE waits_for = 'topic';
CREATE INDEX parked_stop ON postbus.parked (topic) WHERE stops_topic;
CREATE INDEX parked_queue ON postbus.parked (queue, n) INCLUDE (waits_for) WHERE queue IS NOT NULL;
COMMENT ON TABLE postbus.parked IS 'Events that the relay set aside. Those that wait for their topic leave by themselves, in the order of n; those that were refused wait for an operator.';
COMMENT ON COLUMN postbus.parked.n IS 'The order in which they were set aside, and leave.';
COMMENT ON COLUMN postbus.parked.id IS 'The number of its row in the outbox.';
COMMENT ON COLUMN postbus.parked.topic IS 'The Kafka topic it goes to.';
COMMENT ON COLUMN postbus.parked.key IS 'The record''s key.';
COMMENT ON COLUMN postbus.parked.reason IS 'Why it was set aside: record_too_large, topic_missing, behind_key and so on.';
COMMENT ON COLUMN postbus.parked.parked_at IS 'When it was set aside.';
COMMENT ON COLUMN postbus.parked.waits_for IS 'What it waits for: topic (leaves by itself when the topic takes events again), operator (redrive or discard it), key (leaves behind an earlier one of its key).';
COMMENT ON COLUMN postbus.parked.stops_topic IS 'Whether all later events of the topic wait behind it.';
COMMENT ON COLUMN postbus.parked.queue IS 'A hash of topic and key, where later events of the key wait behind it. NULL: none do.';
COMMENT ON COLUMN postbus.parked.error_code IS 'The broker''s error code, where it refused the event.';
COMMENT ON COLUMN postbus.parked.attempts IS 'How often a broker refused it.';
COMMENT ON COLUMN postbus.parked.attempted_at IS 'When a broker refused it last.';

-- What operators want done. The relay carries it out and removes the row. A table of its own, so that an open transaction of an operator never
-- holds a lock the relay needs.
CREATE TABLE postbus.wish (
    n         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id        bigint PRIMARY KEY,
    action    text COLLATE "C" NOT NULL CHECK (action IN ('redrive', 'discard')),
    wished_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    wished_by text NOT NULL,
    why       text
);
CREATE INDEX wish_action ON postbus.wish (action, n);
COMMENT ON TABLE postbus.wish IS 'What operators want done with parked events and the relay has not done yet.';
COMMENT ON COLUMN postbus.wish.n IS 'The order in which wishes are carried out.';
COMMENT ON COLUMN postbus.wish.id IS 'The event, by the number of its row in the outbox.';
COMMENT ON COLUMN postbus.wish.action IS 'redrive or discard.';
COMMENT ON COLUMN postbus.wish.wished_at IS 'When.';
COMMENT ON COLUMN postbus.wish.wished_by IS 'By which role.';
COMMENT ON COLUMN postbus.wish.why IS 'The reason that was given.';

CREATE TABLE postbus.dead (
    id           bigint PRIMARY KEY,
    topic        text COLLATE "C" NOT NULL,
    key          bytea,
    reason       text NOT NULL,
    error_code   int,
    attempts     int NOT NULL,
    parked_at    timestamptz NOT NULL,
    died_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    discarded_by text NOT NULL,
    why          text NOT NULL
);
COMMENT ON TABLE postbus.dead IS 'Events that an operator discarded: they are never published.';
COMMENT ON COLUMN postbus.dead.id IS 'The number of its row in the outbox.';
COMMENT ON COLUMN postbus.dead.topic IS 'The Kafka topic it was for.';
COMMENT ON COLUMN postbus.dead.key IS 'The record''s key.';
COMMENT ON COLUMN postbus.dead.reason IS 'Why it was parked.';
COMMENT ON COLUMN postbus.dead.error_code IS 'The broker''s error code, where it refused the event.';
COMMENT ON COLUMN postbus.dead.attempts IS 'How often a broker refused it.';
COMMENT ON COLUMN postbus.dead.parked_at IS 'When it was parked.';
COMMENT ON COLUMN postbus.dead.died_at IS 'When it was discarded.';
COMMENT ON COLUMN postbus.dead.discarded_by IS 'By which role.';
COMMENT ON COLUMN postbus.dead.why IS 'The reason that was given.';

CREATE TABLE postbus.audit (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    who      text NOT NULL,
    action   text COLLATE "C" NOT NULL,
    what     jsonb NOT NULL,
    n_events bigint NOT NULL,
    why      text
);
COMMENT ON TABLE postbus.audit IS 'What operators did: one row a call of postbus.redrive() and postbus.discard(). Never changed and never removed.';
COMMENT ON COLUMN postbus.audit.n IS 'The order.';
COMMENT ON COLUMN postbus.audit.at IS 'When.';
COMMENT ON COLUMN postbus.audit.who IS 'Which role, as it logged in.';
COMMENT ON COLUMN postbus.audit.action IS 'redrive or discard.';
COMMENT ON COLUMN postbus.audit.what IS 'What was chosen: topic, key (as hex), id, reason, older_than.';
COMMENT ON COLUMN postbus.audit.n_events IS 'For how many events the wish was recorded.';
COMMENT ON COLUMN postbus.audit.why IS 'The reason that was given.';

CREATE FUNCTION postbus.redrive(topic text DEFAULT NULL, key bytea DEFAULT NULL, id bigint DEFAULT NULL, reason text DEFAULT NULL,
                                older_than interval DEFAULT NULL, why text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    n_events bigint;
BEGIN
    INSERT INTO postbus.wish (id, action, wished_by, why)
    SELECT k.id, 'redrive', session_user, why
      FROM postbus.parked k
     WHERE k.waits_for = 'operator'
       AND (topic IS NULL OR k.topic = topic) AND (key IS NULL OR k.key = key) AND (id IS NULL OR k.id = id)
       AND (reason IS NULL OR k.reason = reason) AND (older_than IS NULL OR k.parked_at < clock_timestamp() - older_than)
     ORDER BY k.n
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS n_events = ROW_COUNT;
    INSERT INTO postbus.audit (who, action, what, n_events, why)
    VALUES (session_user, 'redrive', jsonb_strip_nulls(jsonb_build_object('topic', topic, 'key', encode(key, 'hex'), 'id', id, 'reason', reason,
                                                                          'older_than', older_than::text)), n_events, why);
    PERFORM pg_notify('postbus', 'parked');
    RETURN n_events;
END $$;
COMMENT ON FUNCTION postbus.redrive(text, bytea, bigint, text, interval, text) IS
'Asks the relay to send refused events again: all that were, or those of a topic, a key, an id, a reason, or parked longer ago than older_than. Later events of their keys follow by themselves. Returns for how many the wish was recorded; those with a wish already are not counted.';

CREATE FUNCTION postbus.discard(id bigint, why text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    n_events bigint;
BEGIN
    IF coalesce(btrim(why), '') = '' THEN
        RAISE EXCEPTION 'postbus: no reason is given for discarding event %', id
            USING ERRCODE = 'PB008', HINT = 'Say why the event shall never be published: it is kept with the event.';
    END IF;
    INSERT INTO postbus.wish (id, action, wished_by, why)
    SELECT k.id, 'discard', session_user, why FROM postbus.parked k WHERE k.id = id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS n_events = ROW_COUNT;
    INSERT INTO postbus.audit (who, action, what, n_events, why)
    VALUES (session_user, 'discard', jsonb_build_object('id', id), n_events, why);
    PERFORM pg_notify('postbus', 'parked');
    RETURN n_events > 0;
END $$;
COMMENT ON FUNCTION postbus.discard(bigint, text) IS
'Asks the relay to discard a parked event for good: it is never published, and later events of its key go on. False: it is not parked, or a wish for it is recorded already. Error: PB008 without a reason.';

CREATE OR REPLACE VIEW postbus.event AS
SELECT o.id,
       coalesce(o.event_id, postbus.event_id(o.id)) AS event_id,
       o.topic, o.key, o.type,
       CASE WHEN NOT (o.id <= p.floor_id OR pg_visible_in_snapshot(o.xid, p.s1) OR (pg_visible_in_snapshot(o.xid, p.s2) AND o.id <= p.done_id)) THEN 'pending'
            WHEN EXISTS (SELECT FROM postbus.parked k WHERE k.id = o.id) THEN 'parked'
            WHEN EXISTS (SELECT FROM postbus.dead d WHERE d.id = o.id) THEN 'dead'
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
'Each event and how far it is: pending, published, parked, or dead; with receipts on, also when the broker acknowledged it (completed_at), partition and broker_offset.';
COMMENT ON COLUMN postbus.event.state IS 'pending, published, parked, or dead (discarded by an operator).';
COMMENT ON COLUMN postbus.event.completed_at IS 'When the broker had acknowledged its batch, or when it was discarded. NULL without a receipt.';

REVOKE ALL ON FUNCTION postbus.redrive(text, bytea, bigint, text, interval, text), postbus.discard(bigint, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA postbus TO postbus_operator;
GRANT SELECT ON postbus.event, postbus.current_progress, postbus.leadership, postbus.setting, postbus.instance TO postbus_operator;
GRANT EXECUTE ON FUNCTION postbus.event_id(bigint), postbus.id_of(uuid), postbus.backlog() TO postbus_operator;
GRANT EXECUTE ON FUNCTION postbus.redrive(text, bytea, bigint, text, interval, text), postbus.discard(bigint, text) TO postbus_operator;
GRANT SELECT ON postbus.parked, postbus.wish, postbus.dead, postbus.audit TO postbus_operator, postbus_viewer, postbus_relay;
GRANT UPDATE (reason, waits_for, stops_topic, queue, error_code, attempts, attempted_at) ON postbus.parked TO postbus_relay;
GRANT DELETE ON postbus.wish TO postbus_relay;
GRANT INSERT ON postbus.dead TO postbus_relay;
