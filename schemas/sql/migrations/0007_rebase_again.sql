-- A rebase that is interrupted and done again, a sequence that was behind and has caught up, transactions that are older than the copy, and
-- transactions that see the outbox come home; the name of Kafka transactions. No statement here takes a lock that a publisher wants.
SET LOCAL search_path = pg_catalog, pg_temp;

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

-- What names the relay's Kafka transactions is kept by a failover, so that the leader of before is fenced and can be asked about; but a failover before
-- anything was published replaces the identity that it was read from. So each identity names it.
ALTER TABLE postbus.identity ADD COLUMN transactions_id uuid;
UPDATE postbus.identity y SET transactions_id = coalesce((SELECT z.outbox_id FROM postbus.identity z WHERE z.why <> 'timeline' ORDER BY z.after_id DESC LIMIT 1),
                                                         (SELECT i.outbox_id FROM postbus.instance i));
ALTER TABLE postbus.identity ALTER transactions_id SET NOT NULL;
COMMENT ON COLUMN postbus.identity.transactions_id IS 'What names the relay''s Kafka transactions: a failover keeps it, a rebase does not.';

CREATE OR REPLACE FUNCTION postbus.begin_identity(why text, after_id bigint) RETURNS void
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

-- A row of a transaction later than the fence with an id that is not: it is out of the relay's sight, which relies on that. The sequence catches up with
-- what it has drawn before, and then says nothing of it. The relay fences so often that the first of such rows are near the fence. Rows that came with a
-- copy have foreign xids, and not as their xmin.
CREATE OR REPLACE FUNCTION postbus.whereabouts(OUT strayed text, OUT ahead text)
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

CREATE OR REPLACE FUNCTION postbus.rebase_plan(upgraded boolean, OUT mode text, OUT reason text, OUT until_xid bigint, OUT copied_id bigint, OUT sequence_behind boolean,
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

-- As before, and: the sequence is set last, to ids that were counted up to then. Transactions that were running before the copy was complete, and are
-- still, are in the new position's snapshot: what they publish was published here, whatever their xid, and is read when they commit.
CREATE OR REPLACE FUNCTION postbus.rebase(upgraded boolean, why text) RETURNS bigint
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
