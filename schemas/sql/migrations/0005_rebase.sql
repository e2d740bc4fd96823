-- After a failover, a restore, a copy, an upgrade: in which cluster, database and timeline the outbox is at home, which identity its event ids
-- derive from, and how it is brought on elsewhere. No statement here takes a lock that a publisher wants.
SET LOCAL search_path = pg_catalog, pg_temp;

-- The timeline changes with each promotion and each recovery to a point in time, and in no other way: what was recorded under another one may have
-- a future that is not here. Only a primary can tell it.
CREATE FUNCTION postbus.timeline() RETURNS int
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int $$;
COMMENT ON FUNCTION postbus.timeline() IS 'The timeline of this PostgreSQL: another one after each promotion and each recovery to a point in time.';

-- Under the sequence's own lock: a plain SELECT of last_value can see it up to 32 ahead, for as long as nextval() logs that many, and ids up to there are
-- drawn later. Not called yet: 0, or what it was restarted with less one.
CREATE FUNCTION postbus.drawn_id() RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN s.is_called THEN pg_sequence_last_value('postbus.outbox_id_seq') ELSE s.last_value - 1 END FROM postbus.outbox_id_seq s $$;
COMMENT ON FUNCTION postbus.drawn_id() IS 'The last id of the outbox that was drawn.';

-- written_xid is the transaction that wrote the row; a dump that is restored keeps the value and gets another xmin.
ALTER TABLE postbus.instance ADD COLUMN database_oid oid, ADD COLUMN outbox_oid oid, ADD COLUMN timeline int, ADD COLUMN written_xid xid8,
    ADD COLUMN rewritten_id bigint NOT NULL DEFAULT 0;
UPDATE postbus.instance
   SET database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()), outbox_oid = 'postbus.outbox'::regclass,
       timeline = postbus.timeline(), written_xid = pg_current_xact_id();
ALTER TABLE postbus.instance ALTER database_oid SET NOT NULL, ALTER outbox_oid SET NOT NULL, ALTER timeline SET NOT NULL, ALTER written_xid SET NOT NULL;
COMMENT ON COLUMN postbus.instance.outbox_id IS 'The newest identity: what the event ids of new rows derive from.';
COMMENT ON COLUMN postbus.instance.system_identifier IS 'The cluster in which the stored transaction ids have a meaning.';
COMMENT ON COLUMN postbus.instance.database_oid IS 'The database there.';
COMMENT ON COLUMN postbus.instance.outbox_oid IS 'The table postbus.outbox there. pg_upgrade keeps it, a restored dump does not.';
COMMENT ON COLUMN postbus.instance.timeline IS 'The timeline under which a relay led last.';
COMMENT ON COLUMN postbus.instance.written_xid IS 'The transaction that wrote this row: the row''s xmin, unless a dump was restored.';
COMMENT ON COLUMN postbus.instance.rewritten_id IS 'Up to here a rebase may have given rows another xid.';
COMMENT ON COLUMN postbus.instance.created_at IS 'When the outbox was made.';
COMMENT ON COLUMN postbus.instance.only_one IS 'Always true.';

-- The identities of the outbox. An id that was drawn once, published and lost with a failover is drawn again by another event; the two
-- differ by the identity that their event ids derive from, 60 random bits. A row's is the one with the greatest after_id below its id.
CREATE TABLE postbus.identity (
    after_id        bigint PRIMARY KEY,
    outbox_id       uuid NOT NULL,
    timeline        int NOT NULL,
    began_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    why             text COLLATE "C" NOT NULL CHECK (why IN ('created', 'timeline', 'rebase')),
    transactions_id uuid NOT NULL
);
COMMENT ON TABLE postbus.identity IS 'What the event ids of the outbox''s rows derive from: one row for each failover, restore and rebase.';
COMMENT ON COLUMN postbus.identity.after_id IS 'It holds for rows with ids above this one, up to the next row''s.';
COMMENT ON COLUMN postbus.identity.outbox_id IS 'The identity.';
COMMENT ON COLUMN postbus.identity.timeline IS 'The timeline under which it began.';
COMMENT ON COLUMN postbus.identity.began_at IS 'When.';
COMMENT ON COLUMN postbus.identity.why IS 'created, timeline (a failover, a recovery to a point in time), or rebase.';
-- A failover keeps it, so that the leader of before is fenced and can be asked about; also one before anything was published, which replaces the identity.
COMMENT ON COLUMN postbus.identity.transactions_id IS 'What names the relay''s Kafka transactions: a failover keeps it, a rebase does not.';
INSERT INTO postbus.identity (after_id, outbox_id, timeline, began_at, why, transactions_id)
SELECT 0, i.outbox_id, i.timeline, i.created_at, 'created', i.outbox_id FROM postbus.instance i;

-- ---------------------------------------------------------------------------------------------------------------------
-- Publishing away from home
-- ---------------------------------------------------------------------------------------------------------------------

-- The first 16 digits of the event ids that this transaction's events get while the outbox is away from home: random, drawn once a transaction.
CREATE FUNCTION postbus.own_identity() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own text := current_setting('postbus.identity', true);
    hex text;
BEGIN
    IF own IS NULL OR own !~ '^[0-9a-f]{12}8[0-9a-f]{3}$' THEN
        hex := replace(gen_random_uuid()::text, '-', '');
        own := set_config('postbus.identity', left(hex, 12) || '8' || substr(hex, 14, 3), true);
    END IF;
    RETURN own;
END $$;
COMMENT ON FUNCTION postbus.own_identity() IS 'What the event ids of this transaction derive from while the outbox is away from home.';

-- Gives the transaction's rows event ids of their own. They are seen by nobody else yet. Only what earlier statements did not reach is looked at.
CREATE FUNCTION postbus.stamp() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    own text := postbus.own_identity();
    stamped_id bigint := coalesce(nullif(current_setting('postbus.stamped', true), ''), '0');
    newest_id bigint;
BEGIN
    newest_id := postbus.drawn_id();
    UPDATE postbus.outbox o SET event_id = (own || to_hex(o.id | (-9223372036854775808)::bigint))::uuid
     WHERE o.xid = pg_current_xact_id() AND o.id > stamped_id AND o.event_id IS NULL;
    PERFORM set_config('postbus.stamped', newest_id::text, true);
END $$;
COMMENT ON FUNCTION postbus.stamp() IS 'Gives the events of this transaction ids that derive from no identity of the outbox. For the doorbell''s trigger.';

-- Two functions have what they compare with in their bodies, so that a publish looks nothing up; this writes them anew.
--   adrift(): whether the outbox is away from home. Another timeline: since the failover, and until a relay leads again. Another table: restored from a
--     dump, and not rebased. A transaction older than the newest identity (its fence): it may have drawn ids that belong to the one before. pg_walfile_name
--     of a constant is folded: the timeline of a primary never changes while it runs, and a standby inserts nothing.
--   event_id(): the newest identity comes first.
CREATE FUNCTION postbus.write_home(fence xid8) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home postbus.instance;
    branches text;
    oldest text;
BEGIN
    SELECT * INTO STRICT home FROM postbus.instance;
    SELECT string_agg(format('WHEN id OPERATOR(pg_catalog.>) %s::bigint THEN %L', d.after_id, d.prefix), ' ' ORDER BY d.after_id DESC) FILTER (WHERE d.place > 1),
           max(d.prefix) FILTER (WHERE d.place = 1)
      INTO branches, oldest
      FROM (SELECT e.after_id, left(e.hex, 12) || '8' || substr(e.hex, 14, 3) AS prefix, row_number() OVER (ORDER BY e.after_id) AS place
              FROM (SELECT y.after_id, replace(y.outbox_id::text, '-', '') AS hex FROM postbus.identity y) e) d;
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION postbus.adrift() RETURNS boolean
        LANGUAGE sql STABLE PARALLEL SAFE
        AS $b$ SELECT pg_catalog.left(pg_catalog.pg_walfile_name('0/1000000'::pg_catalog.pg_lsn), 8) OPERATOR(pg_catalog.<>) %L
                      OR 'postbus.outbox'::pg_catalog.regclass::pg_catalog.oid OPERATOR(pg_catalog.<>) %s::pg_catalog.oid
                      OR coalesce(pg_catalog.pg_current_xact_id_if_assigned() OPERATOR(pg_catalog.<) %L::pg_catalog.xid8, false) $b$
    $f$, upper(lpad(to_hex(home.timeline), 8, '0')), home.outbox_oid, fence);
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION postbus.event_id(id bigint) RETURNS uuid
        LANGUAGE sql STABLE PARALLEL SAFE
        AS $b$ SELECT (coalesce(nullif(pg_catalog.current_setting('postbus.identity', true), ''::pg_catalog.text), %s)
                       OPERATOR(pg_catalog.||) pg_catalog.to_hex(id OPERATOR(pg_catalog.|) (-9223372036854775808)::bigint))::pg_catalog.uuid $b$
    $f$, CASE WHEN branches IS NULL THEN format('%L', oldest) ELSE format('CASE %s ELSE %L END', branches, oldest) END);
END $$;
COMMENT ON FUNCTION postbus.write_home(xid8) IS 'Writes postbus.adrift() and postbus.event_id() anew, after postbus.instance or postbus.identity have changed.';

-- Whoever wrote ids by postbus.event_id() until now keeps them: the fence lies before all transactions.
SELECT postbus.write_home('3');
COMMENT ON FUNCTION postbus.adrift() IS 'Whether events that are published now get event ids of their own: after a failover until a relay leads, after a restore until the rebase.';
COMMENT ON FUNCTION postbus.event_id(bigint) IS 'The event id of the outbox row with this id, where the publisher gave none of its own.';

CREATE OR REPLACE FUNCTION postbus.id_of(event_id uuid) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN postbus.event_id(('x' OPERATOR(pg_catalog.||) pg_catalog.right(pg_catalog.replace(event_id::pg_catalog.text, '-', ''), 16))
                                      ::pg_catalog.bit(64)::bigint OPERATOR(pg_catalog.&) 4611686018427387903) OPERATOR(pg_catalog.=) event_id
                THEN ('x' OPERATOR(pg_catalog.||) pg_catalog.right(pg_catalog.replace(event_id::pg_catalog.text, '-', ''), 16))
                     ::pg_catalog.bit(64)::bigint OPERATOR(pg_catalog.&) 4611686018427387903 END
$$;

-- A transaction that has given one of its events an id of its own gives them to all: it has told, by postbus.event_id(), that it does.
CREATE OR REPLACE FUNCTION postbus.ring() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF postbus.adrift() OR pg_catalog.current_setting('postbus.identity', true) OPERATOR(pg_catalog.<>) '' THEN
        PERFORM postbus.stamp();
    END IF;
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

-- As before, and away from home it tells the event ids that the trigger is going to give.
CREATE OR REPLACE FUNCTION postbus.publish_batch(topics text[], "values" bytea[], keys bytea[] DEFAULT NULL, types text[] DEFAULT NULL,
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
    IF postbus.adrift() THEN
        PERFORM postbus.own_identity();
    END IF;
    RETURN QUERY
        INSERT INTO postbus.outbox AS o (topic, value, key, type, headers, event_id)
        SELECT b.topic, b.value, b.key, b.type, b.headers, b.event_id
          FROM unnest(topics, "values", keys, types, headers, event_ids) AS b (topic, value, key, type, headers, event_id)
        RETURNING o.id, coalesce(o.event_id, postbus.event_id(o.id));
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- A failover
-- ---------------------------------------------------------------------------------------------------------------------

-- Begins a new identity under this timeline. The last id is read before the fence's xid is assigned: whoever publishes later than the fence draws ids
-- above it, whoever is older is adrift, and rows up to it are of the identities before. Nothing waits for anybody.
CREATE FUNCTION postbus.begin_identity(why text, after_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    now_home int := postbus.timeline();
    fence xid8 := pg_current_xact_id();
    identity uuid := gen_random_uuid();
    transactions_id uuid := CASE why WHEN 'timeline' THEN (SELECT y.transactions_id FROM postbus.identity y ORDER BY y.after_id DESC LIMIT 1) ELSE identity END;
BEGIN
    INSERT INTO postbus.identity AS y (after_id, outbox_id, timeline, why, transactions_id) VALUES (after_id, identity, now_home, why, transactions_id)
    ON CONFLICT ON CONSTRAINT identity_pkey DO UPDATE SET outbox_id = excluded.outbox_id, timeline = excluded.timeline, began_at = excluded.began_at, why = excluded.why,
        transactions_id = excluded.transactions_id;
    UPDATE postbus.instance
       SET outbox_id = identity, timeline = now_home, written_xid = fence, outbox_oid = 'postbus.outbox'::regclass,
           database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
           system_identifier = (SELECT c.system_identifier FROM pg_control_system() c);
    PERFORM postbus.write_home(fence);
END $$;
COMMENT ON FUNCTION postbus.begin_identity(text, bigint) IS 'Begins a new identity for rows above after_id, and makes this cluster, database and timeline the outbox''s home.';

CREATE FUNCTION postbus.adopt_timeline(OUT timeline_before int, OUT timeline_now int, OUT after_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT i.timeline, postbus.timeline() INTO STRICT timeline_before, timeline_now FROM postbus.instance i;
    IF timeline_before = timeline_now OR EXISTS (SELECT FROM postbus.whereabouts() w WHERE coalesce(w.strayed, w.ahead) IS NOT NULL) THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(8101821198368076545) THEN
        RAISE EXCEPTION 'postbus: a relay leads this database' USING ERRCODE = 'PB007', HINT = 'The relay that leads adopts the timeline by itself.';
    END IF;
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'postbus: adopt_timeline() is not the first to write in its transaction' USING HINT = 'Call it in a transaction of its own.';
    END IF;
    after_id := postbus.drawn_id();
    PERFORM postbus.begin_identity('timeline', after_id);
END $$;
COMMENT ON FUNCTION postbus.adopt_timeline() IS
'After a promotion or a recovery to a point in time: begins a new identity, so that no event that is published from now on gets the event id of one that was lost. after_id is NULL where the timeline is the same. For the relay that takes the lead.';

-- ---------------------------------------------------------------------------------------------------------------------
-- A restored or copied database, an upgraded cluster
-- ---------------------------------------------------------------------------------------------------------------------

-- What transactions of this statement take for the next xid. Tuples carry 32 bits; next_xid() - age(xmin) is the whole of it.
CREATE FUNCTION postbus.next_xid() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b.base + age((b.base & 4294967295)::text::xid)
      FROM (SELECT m.xmax + CASE WHEN m.xmax & 4294967295 < 3 THEN 3 ELSE 0 END AS base
              FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax) m) b
$$;
COMMENT ON FUNCTION postbus.next_xid() IS 'The next transaction id to be assigned.';

-- What is wrong with the place where the outbox is found. strayed: its stored transaction ids and positions were written elsewhere. ahead: they are of a
-- future that this place does not know. next_xid() is as old as the transaction (age() is), and a later snapshot of it sees later rows.
-- A row of a transaction later than the fence with an id that is not: it is out of the relay's sight, which relies on that. The sequence catches up with
-- what it has drawn before, and then says nothing of it. The relay fences so often that the first of such rows are near the fence. Rows that came with a
-- copy have foreign xids, and not as their xmin.
CREATE FUNCTION postbus.whereabouts(OUT strayed text, OUT ahead text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT CASE WHEN i.system_identifier <> c.system_identifier THEN 'this database was restored or moved from another PostgreSQL cluster'
                WHEN i.database_oid <> d.oid THEN 'this database is a copy of another one of this PostgreSQL cluster'
                WHEN i.xmin::text::bigint <> i.written_xid::text::bigint & 4294967295 THEN 'this database was restored from a dump' END,
           CASE WHEN greatest(p.x2::text::bigint, pg_snapshot_xmax(p.s2)::text::bigint) > n.next_xid
                  OR EXISTS (SELECT FROM (SELECT o.xid FROM postbus.outbox o WHERE o.id > i.rewritten_id ORDER BY o.id DESC LIMIT 1000) r
                              WHERE r.xid::text::bigint >= n.next_xid)
                THEN 'stored transaction ids are ahead of those that PostgreSQL has assigned'
                WHEN greatest(p.l1, p.l2, p.done_id, p.floor_id, (SELECT max(y.after_id) FROM postbus.identity y)) > postbus.drawn_id()
                THEN 'postbus.outbox_id_seq is behind ids that it has drawn before'
                WHEN EXISTS (SELECT FROM (SELECT o.id, o.xid, o.xmin FROM postbus.outbox o WHERE o.xid >= p.x2 ORDER BY o.xid LIMIT 10000) r
                              WHERE r.id <= p.l2 AND r.xmin::text::bigint = r.xid::text::bigint & 4294967295)
                THEN 'postbus.outbox_id_seq was behind ids that it had drawn before, and has drawn them again' END
      FROM postbus.instance i, pg_control_system() c, postbus.current_progress p, pg_database d,
           (SELECT greatest(postbus.next_xid(), pg_snapshot_xmax(pg_current_snapshot())::text::bigint) AS next_xid) n
     WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION postbus.whereabouts() IS 'What is wrong with the cluster, database and sequence in which the outbox is found; NULLs where nothing is.';

-- The newest transaction that can have copied rows of the outbox here. A dump's tables are filled before its triggers are made and after its positions
-- were written; a database's copy is as old as its row in pg_database.
CREATE FUNCTION postbus.copied_until() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT n.next_xid - min(x.age)
      FROM (SELECT postbus.next_xid() AS next_xid) n,
           LATERAL (SELECT age(t.xmin) FROM pg_trigger t WHERE t.tgrelid = 'postbus.outbox'::regclass AND t.tgname = 'ring'
                    UNION ALL SELECT age(i.xmin) FROM postbus.instance i
                    UNION ALL SELECT age(d.xmin) FROM pg_database d, postbus.instance i WHERE d.datname = current_database() AND d.oid <> i.database_oid
                    UNION ALL (SELECT age(p.xmin) FROM postbus.progress p ORDER BY p.n DESC LIMIT 1)
                    UNION ALL (SELECT age(l.xmin) FROM postbus.leadership l ORDER BY l.epoch DESC LIMIT 1)) x
     GROUP BY n.next_xid
$$;
COMMENT ON FUNCTION postbus.copied_until() IS 'The newest transaction that can have copied rows of the outbox into this database.';

-- Rows up to copied_id that are not known to be published. They were judged by the stored snapshots where they were stored; those that were written
-- here since (xid and xmin above until_xid) by nobody, and they are left out where they get new ids.
CREATE FUNCTION postbus.unpublished(until_xid bigint, copied_id bigint, since_too boolean) RETURNS TABLE (id bigint, topic text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
    SELECT r.id, r.topic
      FROM (SELECT o.id, o.topic::text AS topic, n.next_xid - age(o.xmin) > until_xid AND o.xid::text::bigint > until_xid AS since,
                   o.id > p.l2 OR NOT (pg_visible_in_snapshot(o.xid, p.s1) OR (pg_visible_in_snapshot(o.xid, p.s2) AND o.id <= p.done_id)) AS open
              FROM postbus.current_progress p, (SELECT postbus.next_xid() AS next_xid) n, postbus.outbox o
             WHERE o.id > p.floor_id AND o.id <= copied_id) r
     WHERE CASE WHEN r.since THEN since_too ELSE r.open END
$$;
COMMENT ON FUNCTION postbus.unpublished(bigint, bigint, boolean) IS 'Rows up to copied_id that are not known to be published.';

-- Evidence against a pg_upgrade, which copies the tables as they are: a sentence, or NULL.
CREATE FUNCTION postbus.against_upgrade() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT CASE WHEN i.system_identifier = c.system_identifier THEN 'the cluster is the one that it was'
                WHEN i.xmin::text::bigint <> i.written_xid::text::bigint & 4294967295 THEN 'postbus.instance was restored from a dump'
                WHEN i.outbox_oid <> 'postbus.outbox'::regclass THEN 'postbus.outbox is another table than it was'
                WHEN w.ahead IS NOT NULL THEN w.ahead
                WHEN EXISTS (SELECT FROM (SELECT o.xmin, o.xid FROM postbus.outbox o, postbus.leaf f
                                           WHERE f.leaf = (o.id >> 30) & 15 AND o.id > f.kept_id AND o.id > i.rewritten_id ORDER BY o.id DESC LIMIT 10000) r
                              GROUP BY r.xmin::text HAVING count(DISTINCT r.xid::text) > 1 OR bool_or(postbus.next_xid() - age(r.xmin) < r.xid::text::bigint))
                THEN 'rows of the outbox were written by other transactions than those they name' END
      FROM postbus.instance i, pg_control_system() c, postbus.whereabouts() w
$$;
COMMENT ON FUNCTION postbus.against_upgrade() IS 'Why this cluster cannot be the pg_upgrade of the one in which the outbox was; NULL: nothing speaks against it.';

-- What postbus.rebase() would do. mode: 'copy' (the stored transaction ids mean nothing here), 'identity' (they do, and only event ids need a new
-- identity), 'upgrade', 'refused'. Rows up to copied_id came with the copy; n_since were published here since. n_again, from first_id to last_id, are not
-- known to be published, and may be delivered twice.
CREATE FUNCTION postbus.rebase_plan(upgraded boolean, OUT mode text, OUT reason text, OUT until_xid bigint, OUT copied_id bigint, OUT sequence_behind boolean,
                                    OUT n_again bigint, OUT first_id bigint, OUT last_id bigint, OUT n_since bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
    w record;
    p postbus.progress;
    drawn_id bigint;
    next_xid bigint := postbus.next_xid();
BEGIN
    SELECT * INTO STRICT w FROM postbus.whereabouts();
    SELECT * INTO STRICT p FROM postbus.current_progress;
    drawn_id := postbus.drawn_id();
    IF upgraded THEN
        reason := postbus.against_upgrade();
        mode := CASE WHEN reason IS NULL THEN 'upgrade' ELSE 'refused' END;
    ELSE
        reason := coalesce(w.strayed, w.ahead);
        mode := CASE WHEN reason IS NULL THEN 'identity' ELSE 'copy' END;
    END IF;
    -- Rows of transactions that are later than the fence and ids that are not: the sequence was behind, and may have caught up since.
    IF mode = 'identity' AND EXISTS (SELECT FROM postbus.outbox o WHERE o.xid >= p.x2 AND o.id + 0 <= p.l2 AND o.xmin::text::bigint = o.xid::text::bigint & 4294967295) THEN
        mode := 'copy';
        reason := 'postbus.outbox_id_seq was behind ids that it had drawn before, and has drawn them again';
    END IF;
    until_xid := 4611686018427387904;
    copied_id := drawn_id;
    IF mode = 'copy' THEN
        -- At home, with the sequence set back: what the relay has read up to its second snapshot was numbered before.
        until_xid := CASE WHEN w.strayed IS NULL AND p.x2::text::bigint <= next_xid THEN p.x2::text::bigint - 1 ELSE postbus.copied_until() END;
        SELECT greatest(p.l1, p.l2, p.done_id, p.floor_id, (SELECT max(y.after_id) FROM postbus.identity y),
                        (SELECT o.id FROM postbus.outbox o
                          WHERE NOT (o.xid::text::bigint > until_xid AND next_xid - age(o.xmin) > until_xid) ORDER BY o.id DESC LIMIT 1))
          INTO copied_id;
    END IF;
    sequence_behind := drawn_id < copied_id
                       OR mode = 'copy' AND EXISTS (SELECT FROM postbus.outbox o WHERE o.id <= copied_id AND o.xid::text::bigint > until_xid
                                                                                   AND next_xid - age(o.xmin) > until_xid);
    SELECT count(*), min(u.id), max(u.id) INTO n_again, first_id, last_id FROM postbus.unpublished(until_xid, copied_id, NOT sequence_behind) u;
    SELECT count(*) INTO n_since FROM postbus.outbox o
     WHERE o.xid > until_xid::text::xid8 AND next_xid - age(o.xmin) > until_xid AND (sequence_behind OR o.id > copied_id);
END $$;
COMMENT ON FUNCTION postbus.rebase_plan(boolean) IS 'What postbus.rebase() would do, without doing it.';

-- The rows that came with a copy stay where they are, with their ids, and so do receipts and parked events. Those that are not known to be published
-- get the xid of the copying, until_xid, and the position says that all is done but until_xid and what came later: so the relay reads them first, in the
-- order of their ids, and then what was published here. Published ones get an xid that every snapshot sees, where theirs would be a later one here.
-- What was published here since is above copied_id and of no interest, unless the sequence was behind: then it may have ids that others had, and gets new
-- ones, in the order in which it was published. Only in that case do publishers wait.
-- A Kafka transaction in doubt cannot be asked about any more: what its intent held counts as not published. The relay's transactions have another name from
-- now on, so a position that Kafka keeps from before is not believed.
-- The sequence is set last, to ids that were counted up to then, so that a rebase may be interrupted and done again. Transactions that were running before
-- the copy was complete, and are still, are in the new position's snapshot: what they publish was published here, whatever their xid, and is read when
-- they commit.
CREATE FUNCTION postbus.rebase(upgraded boolean, why text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
    plan record;
    p postbus.progress;
    next_xid bigint;
    again bigint[];
    floor_id bigint;
    copying xid8;
    running text[];
    s pg_snapshot;
    drawn_id bigint;
    at_home boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock(8101821198368076545) THEN
        RAISE EXCEPTION 'postbus: a relay leads this database' USING ERRCODE = 'PB007', HINT = 'Stop the relays before postbus.rebase().';
    END IF;
    PERFORM pg_advisory_xact_lock(8101821198368076547);
    PERFORM postbus.resolve(NULL, NULL, true);
    SELECT * INTO STRICT plan FROM postbus.rebase_plan(upgraded);
    IF plan.mode = 'refused' THEN
        RAISE EXCEPTION 'postbus: this is not what pg_upgrade leaves: %', plan.reason
            USING ERRCODE = 'PB009', HINT = 'After a restore, a copy or a failover, rebase without --upgraded.';
    END IF;
    IF plan.sequence_behind THEN
        LOCK TABLE postbus.outbox IN SHARE ROW EXCLUSIVE MODE;
        SELECT * INTO STRICT plan FROM postbus.rebase_plan(upgraded);
    END IF;
    drawn_id := greatest(plan.copied_id, postbus.drawn_id());
    SELECT w.strayed IS NULL INTO at_home FROM postbus.whereabouts() w;
    IF plan.mode = 'copy' THEN
        SELECT * INTO STRICT p FROM postbus.current_progress;
        next_xid := postbus.next_xid();
        copying := plan.until_xid::text::xid8;
        running := ARRAY(SELECT x::text FROM pg_snapshot_xip(pg_current_snapshot()) x WHERE x < copying ORDER BY x) || plan.until_xid::text;
        s := format('%s:%s:%s', running[1], plan.until_xid + 1, array_to_string(running, ','))::pg_snapshot;
        IF plan.sequence_behind THEN
            WITH gone AS (DELETE FROM postbus.outbox o WHERE o.xid > copying AND next_xid - age(o.xmin) > plan.until_xid RETURNING o.*),
                 -- What was drawn at home before the sequence was set back keeps the event id that its publisher was told; who drew the id again does not.
                 anew AS (INSERT INTO postbus.outbox (id, created_at, event_id, topic, type, key, value, headers) OVERRIDING SYSTEM VALUE
                          SELECT drawn_id + row_number() OVER (ORDER BY g.created_at, g.id), g.created_at,
                                 coalesce(g.event_id, CASE WHEN at_home AND g.id > p.l2 AND row_number() OVER (PARTITION BY g.id ORDER BY g.created_at) = 1
                                                           THEN postbus.event_id(g.id) END),
                                 g.topic, g.type, g.key, g.value, g.headers
                            FROM gone g RETURNING id)
            SELECT coalesce(max(n.id), drawn_id) INTO drawn_id FROM anew n;
        END IF;
        again := ARRAY(SELECT u.id FROM postbus.unpublished(plan.until_xid, plan.copied_id, true) u);
        floor_id := least(coalesce((SELECT min(a) - 1 FROM unnest(again) a), plan.copied_id), CASE WHEN cardinality(running) > 1 THEN p.l2 END);
        UPDATE postbus.outbox o SET xid = '3'
         WHERE o.id > floor_id AND o.id <= plan.copied_id AND o.xid >= pg_snapshot_xmin(s) AND NOT EXISTS (SELECT FROM unnest(again) a WHERE a = o.id);
        UPDATE postbus.outbox o SET xid = copying FROM unnest(again) a WHERE o.id = a;
        INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
        VALUES ((plan.copied_id >> 30) & 15, p.epoch, s, (plan.until_xid + 1)::text::xid8, plan.copied_id,
                s, (plan.until_xid + 1)::text::xid8, plan.copied_id, 0, floor_id, p.published);
        UPDATE postbus.instance SET rewritten_id = plan.copied_id;
    END IF;
    PERFORM postbus.begin_identity('rebase', plan.copied_id);
    INSERT INTO postbus.audit (who, action, what, n_events, why)
    VALUES (session_user, 'rebase', jsonb_strip_nulls(jsonb_build_object('mode', plan.mode, 'reason', plan.reason, 'first_id', plan.first_id, 'last_id', plan.last_id,
                                                                         'copied_id', plan.copied_id, 'since', plan.n_since)), plan.n_again, why);
    -- No rollback takes it back: after all else, so that a rebase that is interrupted leaves what it found.
    IF plan.sequence_behind THEN
        PERFORM setval('postbus.outbox_id_seq', drawn_id, true);
    END IF;
    RETURN plan.n_again;
END $$;
COMMENT ON FUNCTION postbus.rebase(boolean, text) IS
'Makes this cluster and database the outbox''s home, with all relays stopped, and loses nothing: events that came with a restore or copy and are not known to be published are published (again), with the event ids that they had, then what was published here since. upgraded: after pg_upgrade, where the stored transaction ids stay valid. Returns how many events may be delivered twice. Errors: PB007 while a relay leads, PB009 where it was no pg_upgrade. For the owner.';

CREATE OR REPLACE FUNCTION postbus.rebase(OUT published_again bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT postbus.rebase(false, NULL) $$;
COMMENT ON FUNCTION postbus.rebase() IS 'postbus.rebase(false, NULL).';

-- ---------------------------------------------------------------------------------------------------------------------
-- Who may do what
-- ---------------------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION postbus.timeline(), postbus.drawn_id(), postbus.own_identity(), postbus.stamp(), postbus.write_home(xid8), postbus.adrift(), postbus.begin_identity(text, bigint),
    postbus.adopt_timeline(), postbus.next_xid(), postbus.whereabouts(), postbus.copied_until(), postbus.unpublished(bigint, bigint, boolean),
    postbus.against_upgrade(), postbus.rebase_plan(boolean), postbus.rebase(boolean, text) FROM PUBLIC;
GRANT SELECT ON postbus.identity TO postbus_viewer, postbus_operator, postbus_relay;
GRANT EXECUTE ON FUNCTION postbus.timeline(), postbus.drawn_id(), postbus.next_xid(), postbus.whereabouts(), postbus.adopt_timeline() TO postbus_relay;
-- Whoever may publish now must be able to call what the doorbell's trigger calls, also where single rights were granted instead of the role. The two change
-- nothing but the ids of the caller's own events.
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
        EXECUTE format('GRANT EXECUTE ON FUNCTION postbus.adrift(), postbus.own_identity(), postbus.stamp() TO %s', publisher);
    END LOOP;
END $$;
