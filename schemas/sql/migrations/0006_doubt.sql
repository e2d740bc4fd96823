-- What is in doubt is decided more carefully: where Kafka knows more than this database, where its position may have expired, and after a copy.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Receipts and notes that came with a copy have intents that another cluster numbered, and this one gives those numbers out again. What an intent wrote
-- itself has its number as xmin here, or, where the intent came with a copy as well, has not.
CREATE OR REPLACE FUNCTION postbus.take_back(doubted postbus.progress) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    written_here boolean;
BEGIN
    SELECT p.xmin = p.intent::xid INTO STRICT written_here FROM postbus.progress p WHERE p.n = doubted.n;
    DELETE FROM postbus.receipt r WHERE r.intent = doubted.intent AND (r.xmin = r.intent::xid) = written_here;
    DELETE FROM postbus.undo u WHERE u.intent = doubted.intent AND (u.xmin = u.intent::xid) <> written_here;
    DELETE FROM postbus.parked k USING postbus.undo u WHERE u.intent = doubted.intent AND u.table_name = 'parked' AND u.id = k.id;
    INSERT INTO postbus.parked OVERRIDING SYSTEM VALUE
    SELECT (jsonb_populate_record(NULL::postbus.parked, f.row_before)).*
      FROM (SELECT DISTINCT ON (u.id) u.row_before FROM postbus.undo u
             WHERE u.intent = doubted.intent AND u.table_name = 'parked' ORDER BY u.id, u.place) f
     WHERE f.row_before IS NOT NULL;
    INSERT INTO postbus.wish OVERRIDING SYSTEM VALUE
    SELECT (jsonb_populate_record(NULL::postbus.wish, u.row_before)).*
      FROM postbus.undo u WHERE u.intent = doubted.intent AND u.table_name = 'wish'
    ON CONFLICT DO NOTHING;
    DELETE FROM postbus.progress p WHERE p.n = doubted.n;
END $$;

-- Where Kafka holds nothing, nothing was committed, or the position has expired: Kafka keeps it until nothing was committed for as long as its
-- offsets.retention.minutes. A day is the least that anyone sets; so an intent of the last twelve hours was not committed, and of an older one nobody
-- knows, also where Kafka held nothing before it.
-- A row that is in no doubt was written after the intent that Kafka knows last. Where Kafka's n is not below it, this database lacks commits.
CREATE OR REPLACE FUNCTION postbus.resolve(kafka_n bigint, kafka_stamp text, anyhow boolean, OUT outcome text, OUT intent_n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    newest postbus.progress;
BEGIN
    IF NOT pg_try_advisory_xact_lock(8101821198368076545) THEN
        RAISE EXCEPTION 'postbus: another relay leads this database' USING ERRCODE = 'PB007';
    END IF;
    SELECT * INTO STRICT newest FROM postbus.progress p ORDER BY p.n DESC LIMIT 1;
    intent_n := newest.n;
    IF newest.intent IS NULL THEN
        outcome := CASE WHEN kafka_n >= newest.n AND NOT anyhow THEN 'unknown' ELSE 'certain' END;
        RETURN;
    ELSIF kafka_n = newest.n AND kafka_stamp = postbus.intent_stamp(newest.at) THEN
        outcome := 'committed';
    ELSIF kafka_n = newest.kafka_before OR (kafka_n IS NULL AND newest.at > clock_timestamp() - interval '12 hours') THEN
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
