-- What a rebase and those who publish before it, or beside it, do to each other's rows.
SET LOCAL search_path = pg_catalog, pg_temp;

-- As before, but only what the transaction wrote itself: restored rows have xids of another cluster, and this one gives them out again. A row that is seen
-- though its writer is still in progress is one's own, savepoints included; none of those has an age() above 0.
CREATE OR REPLACE FUNCTION postbus.stamp() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    own text := postbus.own_identity();
    stamped_id bigint := coalesce(nullif(current_setting('postbus.stamped', true), ''), '0');
    newest_id bigint;
    next_xid bigint := pg_current_xact_id()::text::bigint + age(pg_current_xact_id()::xid);
BEGIN
    newest_id := postbus.drawn_id();
    UPDATE postbus.outbox o SET event_id = (own || to_hex(o.id | (-9223372036854775808)::bigint))::uuid
     WHERE o.xid = pg_current_xact_id() AND o.id > stamped_id AND o.event_id IS NULL
       AND CASE WHEN age(o.xmin) <= 0 THEN pg_xact_status((next_xid - age(o.xmin))::text::xid8) = 'in progress' END;
    PERFORM set_config('postbus.stamped', newest_id::text, true);
END $$;

-- As before, but refused where the row would look like one of a dump.
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
    -- Whoever looks for a restored dump compares the two, and the row that a savepoint wrote has the savepoint's.
    IF EXISTS (SELECT FROM postbus.instance i WHERE i.xmin <> fence::xid) THEN
        RAISE EXCEPTION 'postbus: a new identity cannot begin inside a savepoint'
            USING ERRCODE = '25001', HINT = 'Begin it outside of savepoints (psql: \set ON_ERROR_ROLLBACK off) and of blocks with an EXCEPTION clause.';
    END IF;
    PERFORM postbus.write_home(fence);
END $$;

-- As before, but for the row that postbus.resolve() writes in the rebase itself: it made everybody who had published since the restore one of its time.
CREATE OR REPLACE FUNCTION postbus.copied_until() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT n.next_xid - min(x.age)
      FROM (SELECT postbus.next_xid() AS next_xid) n,
           LATERAL (SELECT age(t.xmin) FROM pg_trigger t WHERE t.tgrelid = 'postbus.outbox'::regclass AND t.tgname = 'ring'
                    UNION ALL SELECT age(i.xmin) FROM postbus.instance i
                    UNION ALL SELECT age(d.xmin) FROM pg_database d, postbus.instance i WHERE d.datname = current_database() AND d.oid <> i.database_oid
                    UNION ALL (SELECT age(p.xmin) FROM postbus.progress p WHERE p.xmin IS DISTINCT FROM pg_current_xact_id_if_assigned()::xid
                                ORDER BY p.n DESC LIMIT 1)
                    UNION ALL (SELECT age(l.xmin) FROM postbus.leadership l ORDER BY l.epoch DESC LIMIT 1)) x
     GROUP BY n.next_xid
$$;

-- As before, but rows are judged and written in one statement: who committed between the two was taken for published. And who is younger than the copy,
-- and has drawn an id at or below copied_id without having committed yet, is read later as one that began behind the snapshot: its event was never read.
CREATE OR REPLACE FUNCTION postbus.rebase(upgraded boolean, why text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
    plan record;
    p postbus.progress;
    next_xid bigint;
    floor_id bigint;
    copying xid8;
    began_by xid8;
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
        began_by := greatest(plan.until_xid + 1, next_xid)::text::xid8;
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
        WITH again AS MATERIALIZED (SELECT u.id FROM postbus.unpublished(plan.until_xid, plan.copied_id, true) u),
             judged AS (UPDATE postbus.outbox o SET xid = CASE WHEN o.id IN (SELECT a.id FROM again a) THEN copying ELSE '3' END
                         WHERE o.id > p.floor_id AND o.id <= plan.copied_id
                           AND (o.xid >= pg_snapshot_xmin(s) OR o.id IN (SELECT a.id FROM again a)))
        SELECT least(coalesce(min(a.id) - 1, plan.copied_id), CASE WHEN cardinality(running) > 1 THEN p.l2 END) INTO floor_id FROM again a;
        INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)
        VALUES ((plan.copied_id >> 30) & 15, p.epoch, s, began_by, plan.copied_id, s, began_by, plan.copied_id, 0, floor_id, p.published);
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
