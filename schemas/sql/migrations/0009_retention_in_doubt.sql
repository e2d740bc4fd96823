-- Retention beside exactly-once delivery: what an intent took from postbus.parked comes back there if its Kafka transaction is aborted. Until that is
-- known its row in the outbox stays, like those of parked events. It went with its leaf, and the event could never be published.
SET LOCAL search_path = pg_catalog, pg_temp;

-- As before, but for parked_ids.
CREATE OR REPLACE FUNCTION postbus.clear_leaf(leaf int, older_than interval, with_receipts boolean, OUT outcome text, OUT n_rows bigint,
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

    -- In one statement, so that an event whose intent is taken back meanwhile is seen in one of the two places.
    parked_ids := ARRAY((SELECT k.id FROM postbus.parked k WHERE ((k.id >> 30) & 15) = leaf LIMIT 1001) UNION
                        (SELECT DISTINCT u.id FROM postbus.undo u
                          WHERE u.intent = (SELECT p.intent FROM postbus.progress p ORDER BY p.n DESC LIMIT 1)
                            AND u.table_name = 'parked' AND ((u.id >> 30) & 15) = leaf LIMIT 1001));
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
