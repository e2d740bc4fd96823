-- Wishes: a later one takes the place of an earlier one that was not carried out yet.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Never queued for: the relay reads the wishes between its batches, and would stand behind the migration and whoever that waits for, such as an
-- operator's open transaction.
DO $$
BEGIN
    FOR attempt IN 1..600 LOOP
        BEGIN
            LOCK TABLE postbus.wish IN ACCESS EXCLUSIVE MODE NOWAIT;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1);
        END;
    END LOOP;
    RAISE EXCEPTION 'postbus: for a minute other transactions have held postbus.wish'
        USING ERRCODE = '55P03', HINT = 'End them (pg_locks shows which they are), and run the migration again.';
END $$;

-- An event may have several: the newest counts. They are only ever added to, so that an operator's open transaction holds no lock the relay needs.
ALTER TABLE postbus.wish DROP CONSTRAINT wish_pkey, DROP CONSTRAINT wish_n_key, ADD PRIMARY KEY (n);
CREATE INDEX wish_id ON postbus.wish (id, n);
COMMENT ON TABLE postbus.wish IS 'What operators want done with parked events and the relay has not done yet. Of an event''s wishes the newest counts.';

CREATE OR REPLACE FUNCTION postbus.redrive(topic text DEFAULT NULL, key bytea DEFAULT NULL, id bigint DEFAULT NULL, reason text DEFAULT NULL,
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
      LEFT JOIN LATERAL (SELECT w.action FROM postbus.wish w WHERE w.id = k.id ORDER BY w.n DESC LIMIT 1) l ON true
     WHERE (k.waits_for = 'operator' AND l.action IS NULL OR l.action = 'discard' AND id IS NOT NULL)
       AND (topic IS NULL OR k.topic = topic) AND (key IS NULL OR k.key = key) AND (id IS NULL OR k.id = id)
       AND (reason IS NULL OR k.reason = reason) AND (older_than IS NULL OR k.parked_at < clock_timestamp() - older_than)
     ORDER BY k.n;
    GET DIAGNOSTICS n_events = ROW_COUNT;
    INSERT INTO postbus.audit (who, action, what, n_events, why)
    VALUES (session_user, 'redrive', jsonb_strip_nulls(jsonb_build_object('topic', topic, 'key', encode(key, 'hex'), 'id', id, 'reason', reason,
                                                                          'older_than', older_than::text)), n_events, why);
    PERFORM pg_notify('postbus', 'parked');
    RETURN n_events;
END $$;
COMMENT ON FUNCTION postbus.redrive(text, bytea, bigint, text, interval, text) IS
'Asks the relay to send refused events again: all that were, or those of a topic, a key, an id, a reason, or parked longer ago than older_than. Later events of their keys follow by themselves. With an id it also withdraws a discard that was not carried out yet. Returns for how many the wish was recorded; others with a wish already are not counted.';

CREATE OR REPLACE FUNCTION postbus.discard(id bigint, why text) RETURNS boolean
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
    SELECT k.id, 'discard', session_user, why FROM postbus.parked k
     WHERE k.id = id
       AND (SELECT w.action FROM postbus.wish w WHERE w.id = k.id ORDER BY w.n DESC LIMIT 1) IS DISTINCT FROM 'discard';
    GET DIAGNOSTICS n_events = ROW_COUNT;
    INSERT INTO postbus.audit (who, action, what, n_events, why)
    VALUES (session_user, 'discard', jsonb_build_object('id', id), n_events, why);
    PERFORM pg_notify('postbus', 'parked');
    RETURN n_events > 0;
END $$;
COMMENT ON FUNCTION postbus.discard(bigint, text) IS
'Asks the relay to discard a parked event for good: it is never published, and later events of its key go on. It takes the place of a redrive that was not carried out yet. Where a broker takes the event first, postbus.audit says so. False: it is not parked, or its discard is wished already. Error: PB008 without a reason.';

-- What a discard came too late for is noted there.
COMMENT ON COLUMN postbus.audit.what IS 'What was chosen: topic, key (as hex), id, reason, older_than. outcome, published: a row of the relay''s, of an event that a broker took before its discard was carried out.';
COMMENT ON COLUMN postbus.audit.n_events IS 'For how many events the wish was recorded; 0 in a row of the relay''s.';

-- No role writes to the audit by itself. The first thousand are enough: what is discarded in the same commit makes room for the next. An event that the
-- newest intent took from postbus.parked is not known to be published yet: it may come back.
CREATE FUNCTION postbus.end_late_discards() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH doubted AS MATERIALIZED (SELECT u.id FROM postbus.undo u
                                   WHERE u.table_name = 'parked'
                                     AND u.intent = (SELECT p.intent FROM postbus.progress p ORDER BY p.n DESC LIMIT 1)),
         first AS MATERIALIZED (SELECT w.n, w.id FROM postbus.wish w
                                 WHERE w.action = 'discard' AND w.id NOT IN (SELECT d.id FROM doubted d) ORDER BY w.n LIMIT 1000),
         late AS (DELETE FROM postbus.wish w
                   WHERE w.n = ANY (ARRAY(SELECT f.n FROM first f WHERE (SELECT k.id FROM postbus.parked k WHERE k.id = f.id) IS NULL))
                  RETURNING w.n, w.id, w.wished_by, w.why)
    INSERT INTO postbus.audit (who, action, what, n_events, why)
    SELECT DISTINCT ON (l.id) l.wished_by, 'discard', jsonb_build_object('id', l.id, 'outcome', 'published'), 0, l.why
      FROM late l
     WHERE (SELECT d.id FROM postbus.dead d WHERE d.id = l.id) IS NULL
       AND NOT EXISTS (SELECT FROM postbus.wish w WHERE w.id = l.id AND w.n > l.n AND w.action = 'redrive')
     ORDER BY l.id, l.n DESC
$$;
COMMENT ON FUNCTION postbus.end_late_discards() IS
'For the relay: forgets the discards of events that are parked no more, and notes in postbus.audit those that came too late.';
REVOKE ALL ON FUNCTION postbus.end_late_discards() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus.end_late_discards() TO postbus_relay;
