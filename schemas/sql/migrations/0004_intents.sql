-- Exactly-once delivery: what the relay records about events that are inside a Kafka transaction is an intent until that transaction is committed.
SET LOCAL search_path = pg_catalog, pg_temp;

-- At most the newest row of postbus.progress is in doubt: an intent whose Kafka transaction may have been committed or not. The next row
-- is only ever written when that is known, so any row with a newer one counts.
ALTER TABLE postbus.progress ADD COLUMN intent xid8, ADD COLUMN kafka_before bigint;
COMMENT ON COLUMN postbus.progress.intent IS
'Where the row was committed before its Kafka transaction was (delivery = exactly_once): the PostgreSQL transaction that wrote it, its receipts and its parked events. NULL: it counts in any case.';
COMMENT ON COLUMN postbus.progress.kafka_before IS 'Of an intent: the n that Kafka held before it; 0: none.';

-- A receipt of an intent says so, to be found again should the Kafka transaction be aborted. Others carry no mark, and the index holds no others.
ALTER TABLE postbus.receipt ADD COLUMN intent xid8;
ALTER TABLE postbus.receipt ALTER COLUMN intent
    SET DEFAULT CASE WHEN current_setting('postbus.intent', true) = 'on' THEN pg_current_xact_id() END;
CREATE INDEX receipt_intent ON postbus.receipt (intent) WHERE intent IS NOT NULL;
COMMENT ON COLUMN postbus.receipt.intent IS 'The PostgreSQL transaction that wrote it, where that was an intent of postbus.progress.';

CREATE OR REPLACE VIEW postbus.current_progress AS
SELECT p.n, p.leaf, p.epoch, p.at, p.s1, p.x1, p.l1, p.s2, p.x2, p.l2, p.done_id, p.floor_id, p.published
  FROM postbus.progress p
 WHERE p.intent IS NULL OR EXISTS (SELECT FROM postbus.progress q WHERE q.n > p.n)
 ORDER BY p.n DESC LIMIT 1;
COMMENT ON VIEW postbus.current_progress IS
'The row of postbus.progress that counts: the newest one, or the one before it while a Kafka transaction is in doubt.';

-- What the intent in doubt changed in the tables of parked events, row by row: how to take it back. Rows of intents that are not in doubt any
-- more are of no use, and go with a later one.
CREATE TABLE postbus.undo (
    place       bigint GENERATED ALWAYS AS IDENTITY,
    intent      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name  text COLLATE "C" NOT NULL,
    id          bigint NOT NULL,
    row_before  jsonb
);
CREATE INDEX undo_intent ON postbus.undo (intent, place);
COMMENT ON TABLE postbus.undo IS 'How to take back what an intent changed in postbus.parked and postbus.wish.';
COMMENT ON COLUMN postbus.undo.place IS 'The order of the changes.';
COMMENT ON COLUMN postbus.undo.intent IS 'The PostgreSQL transaction of the intent.';
COMMENT ON COLUMN postbus.undo.table_name IS 'Which table.';
COMMENT ON COLUMN postbus.undo.id IS 'The event.';
COMMENT ON COLUMN postbus.undo.row_before IS 'The row as it was before. NULL: there was none.';

CREATE FUNCTION postbus.note_undo() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO postbus.undo (table_name, id) SELECT TG_TABLE_NAME, r.id FROM new_rows r;
    ELSE
        INSERT INTO postbus.undo (table_name, id, row_before) SELECT TG_TABLE_NAME, r.id, to_jsonb(r) FROM old_rows r;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION postbus.note_undo() IS 'Notes in postbus.undo what a statement of an intent changed.';
CREATE TRIGGER undo_insert AFTER INSERT ON postbus.parked REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    WHEN (current_setting('postbus.intent', true) = 'on') EXECUTE FUNCTION postbus.note_undo();
CREATE TRIGGER undo_update AFTER UPDATE ON postbus.parked REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    WHEN (current_setting('postbus.intent', true) = 'on') EXECUTE FUNCTION postbus.note_undo();
CREATE TRIGGER undo_delete AFTER DELETE ON postbus.parked REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    WHEN (current_setting('postbus.intent', true) = 'on') EXECUTE FUNCTION postbus.note_undo();
CREATE TRIGGER undo_delete AFTER DELETE ON postbus.wish REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    WHEN (current_setting('postbus.intent', true) = 'on') EXECUTE FUNCTION postbus.note_undo();

-- As text that Kafka keeps beside n: another history of this database, after a restore, has other times.
CREATE FUNCTION postbus.intent_stamp(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') $$;
COMMENT ON FUNCTION postbus.intent_stamp(timestamptz) IS 'The time of an intent, as Kafka keeps it beside n.';

-- Receipts and notes that came with a copy have intents that another cluster numbered, and this one gives those numbers out again. What an intent wrote
-- itself has its number as xmin here, or, where the intent came with a copy as well, has not.
CREATE FUNCTION postbus.take_back(doubted postbus.progress) RETURNS void
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
COMMENT ON FUNCTION postbus.take_back(postbus.progress) IS 'Takes back an intent whose Kafka transaction was not committed.';

-- Where Kafka holds nothing, nothing was committed, or the position has expired: Kafka keeps it until nothing was committed for as long as its
-- offsets.retention.minutes. A day is the least that anyone sets; so an intent of the last twelve hours was not committed, and of an older one nobody
-- knows, also where Kafka held nothing before it.
-- A row that is in no doubt was written after the intent that Kafka knows last. Where Kafka's n is not below it, this database lacks commits.
CREATE FUNCTION postbus.resolve(kafka_n bigint, kafka_stamp text, anyhow boolean, OUT outcome text, OUT intent_n bigint)
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
COMMENT ON FUNCTION postbus.resolve(bigint, text, boolean) IS
'Decides an intent in doubt by what Kafka holds: kafka_n and kafka_stamp, NULL where nothing. For the relay, which leads and has fenced all others. outcome: certain (there was no doubt), committed, aborted (taken back), unknown (Kafka holds something else: nothing was changed), guessed (likewise, and taken back because of anyhow).';

REVOKE ALL ON FUNCTION postbus.note_undo(), postbus.intent_stamp(timestamptz), postbus.take_back(postbus.progress),
    postbus.resolve(bigint, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus.resolve(bigint, text, boolean), postbus.intent_stamp(timestamptz) TO postbus_relay;
GRANT SELECT, DELETE ON postbus.undo TO postbus_relay;
