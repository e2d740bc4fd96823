-- Retention: the relay closes the leaf that has been open for long, and empties those whose events are done and old.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What has been found out about each leaf of the ring. Sixteen rows; they change when a leaf is looked through or emptied.
CREATE TABLE postbus.leaf (
    leaf       smallint PRIMARY KEY,
    checked_id bigint NOT NULL DEFAULT 0,
    kept_id    bigint NOT NULL DEFAULT 0
);
INSERT INTO postbus.leaf (leaf) SELECT generate_series(0, 15);
COMMENT ON TABLE postbus.leaf IS 'How far retention is in each leaf of the outbox.';
COMMENT ON COLUMN postbus.leaf.checked_id IS 'Each row up to this id was found in a receipt or parked.';
COMMENT ON COLUMN postbus.leaf.kept_id IS 'Rows up to this id were parked when the leaf was emptied, and stayed. 0: none did.';

-- Receipts that reach far: few, and found here by the range check below, which takes all others by last_id.
CREATE INDEX receipt_wide ON postbus.receipt (first_id) WHERE last_id - first_id >= 1000000;

-- Each of up to 200,000 rows of the leaf behind after_id must be in a receipt or parked. Receipts can name a row twice, and not every id is
-- a row, so they are matched row by row and not summed up.
CREATE FUNCTION postbus.check_leaf(leaf int, after_id bigint, up_to_id bigint, OUT n_rows bigint, OUT n_receipts bigint,
                                   OUT n_parked bigint, OUT n_missing bigint, OUT first_missing_id bigint, OUT checked_id bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_nestloop = off SET jit = off SET work_mem = '32MB'
AS $$
BEGIN
    EXECUTE format($q$
        WITH r AS MATERIALIZED (SELECT o.id FROM postbus.outbox_%1$s o WHERE o.id > $1 AND o.id <= $2 ORDER BY o.id LIMIT 200000),
             chunk AS MATERIALIZED (SELECT coalesce(max(r.id), $2) AS up_to FROM r),
             acked AS (SELECT unnest(t.ids) AS id FROM postbus.receipt_%1$s t
                        WHERE t.last_id > $1 AND t.last_id < (SELECT c.up_to + 1000000 FROM chunk c) AND t.first_id <= (SELECT c.up_to FROM chunk c)
                          AND t.last_id - t.first_id < 1000000
                       UNION ALL
                       SELECT unnest(t.ids) FROM postbus.receipt_%1$s t
                        WHERE t.last_id - t.first_id >= 1000000 AND t.first_id <= (SELECT c.up_to FROM chunk c) AND t.last_id > $1)
        SELECT count(*), count(a.id), count(k.id) FILTER (WHERE a.id IS NULL), count(*) FILTER (WHERE a.id IS NULL AND k.id IS NULL),
               min(r.id) FILTER (WHERE a.id IS NULL AND k.id IS NULL), (SELECT c.up_to FROM chunk c)
          FROM r
          LEFT JOIN (SELECT DISTINCT d.id FROM acked d WHERE d.id > $1) a ON a.id = r.id
          LEFT JOIN (SELECT p.id FROM postbus.parked p WHERE p.id > $1 AND p.id <= (SELECT c.up_to FROM chunk c)) k ON k.id = r.id
    $q$, leaf) INTO n_rows, n_receipts, n_parked, n_missing, first_missing_id, checked_id USING after_id, up_to_id;
END $$;
COMMENT ON FUNCTION postbus.check_leaf(int, bigint, bigint) IS 'Counts rows of a leaf behind an id, and which of them are in a receipt or parked.';

-- Ends the leaf that the sequence is in by moving the sequence into the next empty one, if its oldest row is older than open_for. Publishers do not
-- wait for that: setval() takes the lock that nextval() takes. Ids only grow, whoever calls this and when:
--   the advisory lock admits one caller at a time, the lock of an INSERT keeps postbus.rebase() away, and the target is at least 2^28 ids
--   ahead of a value that is read in the same moment.
-- The target itself is given to no row. So the last id drawn lies in the new leaf from now on, and with it the relay's next position.
CREATE FUNCTION postbus.close_leaf(open_for interval, OUT outcome text, OUT leaf int, OUT next_leaf int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms'
AS $$
#variable_conflict use_variable
DECLARE
    last_id bigint;
    floor_id bigint;
    opened_at timestamptz;
    target bigint;
    taken boolean;
BEGIN
    outcome := 'busy';
    IF NOT pg_try_advisory_xact_lock(8101821198368076547) THEN
        RETURN;
    END IF;
    BEGIN
        LOCK TABLE ONLY postbus.outbox IN ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN;
    END;
    SELECT s.last_value INTO last_id FROM postbus.outbox_id_seq s;
    SELECT p.floor_id INTO STRICT floor_id FROM postbus.current_progress p;
    leaf := (last_id >> 30) & 15;
    EXECUTE format('SELECT o.created_at FROM postbus.outbox_%s o WHERE o.id >= $1 ORDER BY o.id LIMIT 1', leaf)
        INTO opened_at USING (last_id >> 30) << 30;
    outcome := 'open';
    IF opened_at IS NULL OR opened_at > clock_timestamp() - open_for THEN
        RETURN;
    END IF;
    outcome := 'full';
    FOR ahead IN 1..14 LOOP
        target := ((last_id >> 30) + ahead) << 30;
        EXIT WHEN (target >> 30) - (floor_id >> 30) > 14;
        next_leaf := (target >> 30) & 15;
        EXECUTE format('SELECT EXISTS (SELECT FROM postbus.outbox_%s o WHERE o.id > (SELECT f.kept_id FROM postbus.leaf f WHERE f.leaf = $1))', next_leaf)
            INTO taken USING next_leaf;
        CONTINUE WHEN taken;
        PERFORM setval('postbus.outbox_id_seq', target, true) FROM postbus.outbox_id_seq s WHERE s.last_value < target - (1 << 28);
        IF FOUND THEN
            outcome := 'closed';
            RETURN;
        END IF;
    END LOOP;
    next_leaf := NULL;
END $$;
COMMENT ON FUNCTION postbus.close_leaf(interval) IS
'Moves the sequence into the next empty leaf of the outbox if the oldest row of the one it is in is older than open_for. For the relay. outcome: closed, open (too young), full (no leaf is empty), busy (try again later).';

-- Empties a leaf, with its receipts and its progress, in steps: 'checked' asks for another call. Only a leaf whose last round of ids lies at or below the
-- floor is touched: all its rows are done, and no transaction can bring another one. So they can be counted without a lock.
-- Parked rows stay: they are written back, as they were, by the transaction that empties the leaf.
CREATE FUNCTION postbus.clear_leaf(leaf int, older_than interval, with_receipts boolean, OUT outcome text, OUT n_rows bigint,
                                   OUT n_receipts bigint, OUT n_parked bigint, OUT n_missing bigint, OUT first_missing_id bigint,
                                   OUT freed_bytes bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms' SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
    known postbus.leaf;
    done postbus.progress;
    sequence_leaf int;
    newest_id bigint;
    newest_at timestamptz;
    checked_id bigint;
    parked_ids bigint[];
    kept_bytes bigint;
    kept postbus.outbox[];
BEGIN
    outcome := 'busy';
    IF NOT pg_try_advisory_xact_lock(8101821198368076547) THEN
        RETURN;
    END IF;
    SELECT * INTO STRICT known FROM postbus.leaf f WHERE f.leaf = leaf;
    SELECT * INTO STRICT done FROM postbus.current_progress;
    SELECT (s.last_value >> 30) & 15 INTO sequence_leaf FROM postbus.outbox_id_seq s;
    outcome := 'in use';
    IF leaf IN (sequence_leaf, (sequence_leaf + 1) & 15, (done.l1 >> 30) & 15) THEN
        RETURN;
    END IF;
    EXECUTE format($q$
        SELECT max(e.id), max(e.at)
          FROM ((SELECT o.id, o.created_at AS at FROM postbus.outbox_%1$s o WHERE o.id > $1 ORDER BY o.id DESC LIMIT 1) UNION ALL
                (SELECT p.l1, p.at FROM postbus.progress_%1$s p ORDER BY p.n DESC LIMIT 1) UNION ALL
                (SELECT r.last_id, r.acked_at FROM postbus.receipt_%1$s r ORDER BY r.last_id DESC LIMIT 1)) e
    $q$, leaf) INTO newest_id, newest_at USING known.kept_id;
    outcome := 'empty';
    IF newest_id IS NULL THEN
        RETURN;
    END IF;
    outcome := 'young';
    IF newest_at > clock_timestamp() - older_than THEN
        RETURN;
    END IF;
    outcome := 'incomplete';
    IF newest_id | ((1 << 30) - 1) > done.floor_id THEN
        RETURN;
    END IF;

    IF with_receipts AND known.checked_id < newest_id THEN
        SELECT c.* INTO n_rows, n_receipts, n_parked, n_missing, first_missing_id, checked_id
          FROM postbus.check_leaf(leaf, known.checked_id, newest_id) c;
        outcome := 'gap';
        IF n_missing = 0 THEN
            outcome := 'checked';
            UPDATE postbus.leaf f SET checked_id = checked_id WHERE f.leaf = leaf;
        END IF;
        RETURN;
    END IF;

    parked_ids := ARRAY(SELECT k.id FROM postbus.parked k WHERE ((k.id >> 30) & 15) = leaf LIMIT 1001);
    n_parked := cardinality(parked_ids);
    EXECUTE format('SELECT coalesce(sum(octet_length(o.value)), 0) FROM postbus.outbox_%s o WHERE o.id = ANY ($1)', leaf)
        INTO kept_bytes USING parked_ids;
    outcome := 'parked';
    IF n_parked > 1000 OR kept_bytes > 4194304 THEN
        RETURN;
    END IF;
    outcome := 'busy';
    BEGIN
        EXECUTE format('LOCK TABLE postbus.outbox_%1$s, postbus.receipt_%1$s, postbus.progress_%1$s IN ACCESS EXCLUSIVE MODE NOWAIT', leaf);
        EXECUTE format('SELECT array_agg(o::postbus.outbox ORDER BY o.id) FROM postbus.outbox_%s o WHERE o.id = ANY ($1)', leaf)
            INTO kept USING parked_ids;
        freed_bytes := pg_total_relation_size(format('postbus.outbox_%s', leaf)::regclass) + pg_total_relation_size(format('postbus.receipt_%s', leaf)::regclass)
                       + pg_total_relation_size(format('postbus.progress_%s', leaf)::regclass);
        EXECUTE format('TRUNCATE postbus.outbox_%1$s, postbus.receipt_%1$s, postbus.progress_%1$s', leaf);
        EXECUTE format('INSERT INTO postbus.outbox_%s OVERRIDING SYSTEM VALUE SELECT o.* FROM unnest($1) o', leaf) USING kept;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        RETURN;
    END;
    UPDATE postbus.leaf f SET checked_id = greatest(f.checked_id, newest_id), kept_id = coalesce(kept[cardinality(kept)].id, 0) WHERE f.leaf = leaf;
    outcome := 'cleared';
END $$;
COMMENT ON FUNCTION postbus.clear_leaf(int, interval, boolean) IS
'Takes one step towards emptying a leaf of the outbox whose events are all done and older than older_than; with_receipts: only if each is in a receipt or parked. For the relay. outcome: cleared, checked (call again), gap (events are in no receipt), parked (too many parked events), busy (somebody reads it), in use, young, incomplete, empty.';

-- As before, and retention is told not to look for receipts of what was there before: what is published again gets its receipts as new rows.
CREATE OR REPLACE FUNCTION postbus.rebase(OUT published_again bigint)
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
    UPDATE postbus.leaf SET checked_id = greatest(checked_id, last_old_id);
    UPDATE postbus.instance SET system_identifier = (SELECT c.system_identifier FROM pg_control_system() c);
END $$;

REVOKE ALL ON FUNCTION postbus.check_leaf(int, bigint, bigint), postbus.close_leaf(interval), postbus.clear_leaf(int, interval, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus.close_leaf(interval), postbus.clear_leaf(int, interval, boolean) TO postbus_relay;
GRANT SELECT ON postbus.leaf TO postbus_relay;
