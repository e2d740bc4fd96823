-- Who leads: how many of the former leaders are remembered, and what a leader believes of the Kafka transactions that were before it.
SET LOCAL search_path = pg_catalog, pg_temp;

-- ---------------------------------------------------------------------------------------------------------------------
-- Former leaders
-- ---------------------------------------------------------------------------------------------------------------------

-- Each change of leader left a row for ever. The newest thousand tell what anybody looks back for; no program reads more than the newest.
-- As the owner, so that the relay's role needs no right to delete. Who holds a row that is to go must not keep a relay from the lead: the next one
-- deletes it.
CREATE FUNCTION postbus.trim_leadership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM postbus.leadership l
     WHERE l.epoch = ANY (ARRAY(SELECT o.epoch FROM postbus.leadership o
                                 WHERE o.epoch <= (SELECT k.epoch FROM postbus.leadership k ORDER BY k.epoch DESC OFFSET 1000 LIMIT 1)
                                   FOR UPDATE SKIP LOCKED));
    RETURN NULL;
END $$;
COMMENT ON FUNCTION postbus.trim_leadership() IS 'Trigger: keeps the newest thousand rows of postbus.leadership.';
REVOKE ALL ON FUNCTION postbus.trim_leadership() FROM PUBLIC;

CREATE TRIGGER trim AFTER INSERT ON postbus.leadership FOR EACH STATEMENT EXECUTE FUNCTION postbus.trim_leadership();

DELETE FROM postbus.leadership l
 WHERE l.epoch <= (SELECT k.epoch FROM postbus.leadership k ORDER BY k.epoch DESC OFFSET 1000 LIMIT 1);

COMMENT ON TABLE postbus.leadership IS 'One row each time a relay took the lead; the newest thousand are kept.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Another history's transactions
-- ---------------------------------------------------------------------------------------------------------------------

-- Two servers that both took writes share the transactional id, and number their rows alike. One that leads again after the other has led may have counted
-- further by then, with rows that no Kafka transaction belongs to, so that Kafka's n alone says nothing. The row of that n tells: the position is an
-- intent's, and has its time. Rows go with the whole leaf they are kept in. Where the row is not there and its neighbours are of one leaf, there never was one.
-- A position that was set by hand has no stamp, and proves nothing.
CREATE FUNCTION postbus.is_foreign(kafka_n bigint, kafka_stamp text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(kafka_stamp, '') <> ''
       AND coalesce((SELECT bool_and(p.intent IS NULL OR postbus.intent_stamp(p.at) <> kafka_stamp) FROM postbus.progress p WHERE p.n = kafka_n),
                    (SELECT p.leaf FROM postbus.progress p WHERE p.n < kafka_n ORDER BY p.n DESC LIMIT 1)
                    = (SELECT p.leaf FROM postbus.progress p WHERE p.n > kafka_n ORDER BY p.n LIMIT 1),
                    false)
$$;
COMMENT ON FUNCTION postbus.is_foreign(bigint, text) IS 'Whether the position that Kafka holds was never written by an intent of this history of the database.';
REVOKE ALL ON FUNCTION postbus.is_foreign(bigint, text) FROM PUBLIC;

-- As before, but for is_foreign().
CREATE OR REPLACE FUNCTION postbus.resolve(kafka_n bigint, kafka_stamp text, anyhow boolean, OUT outcome text, OUT intent_n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    newest postbus.progress;
    elsewhere boolean := NOT anyhow AND postbus.is_foreign(kafka_n, kafka_stamp);
BEGIN
    IF NOT pg_try_advisory_xact_lock(8101821198368076545) THEN
        RAISE EXCEPTION 'postbus: another relay leads this database' USING ERRCODE = 'PB007';
    END IF;
    SELECT * INTO STRICT newest FROM postbus.progress p ORDER BY p.n DESC LIMIT 1;
    intent_n := newest.n;
    IF newest.intent IS NULL THEN
        outcome := CASE WHEN elsewhere OR kafka_n >= newest.n AND NOT anyhow THEN 'unknown' ELSE 'certain' END;
        RETURN;
    ELSIF kafka_n = newest.n AND kafka_stamp = postbus.intent_stamp(newest.at) THEN
        outcome := 'committed';
    ELSIF NOT elsewhere AND kafka_n = newest.kafka_before OR (kafka_n IS NULL AND newest.at > clock_timestamp() - interval '12 hours') THEN
        outcome := 'aborted';
        PERFORM postbus.take_back(newest);
    ELSIF anyhow THEN
        outcome := 'guessed';
        PERFORM postbus.take_back(newest);
    ELSE
        outcome := 'unknown';
        RETURN;
    END IF;
    -- What is the newest row now is not in doubt: it was committed, or the one that was taken back came after it.
    INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
    SELECT p.leaf, p.epoch, p.s1, p.x1, p.l1, p.s2, p.x2, p.l2, p.done_id, p.floor_id, p.published
      FROM postbus.progress p ORDER BY p.n DESC LIMIT 1;
    DELETE FROM postbus.undo;
END $$;
