/* What each role may not do: a table of attempts, each of which PostgreSQL must refuse. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct attempt {
    const char *sql;
    const char *sqlstate; /* NULL: insufficient privilege */
} attempt;

static const attempt nobody_but_the_owner[] = {
    {"UPDATE postbus.outbox SET topic = 'x'", NULL},
    {"UPDATE postbus.outbox_0 SET topic = 'x'", NULL},
    {"DELETE FROM postbus.outbox", NULL},
    {"DELETE FROM postbus.outbox_0", NULL},
    {"TRUNCATE postbus.outbox", NULL},
    {"TRUNCATE postbus.outbox_3", NULL},
    {"INSERT INTO postbus.outbox_0 (topic) VALUES ('t')", NULL},
    {"INSERT INTO postbus.outbox (id, topic) VALUES (1, 't')", "ANY"},
    {"INSERT INTO postbus.outbox (id, topic) OVERRIDING SYSTEM VALUE VALUES (1, 't')", NULL},
    {"INSERT INTO postbus.outbox (xid, topic) VALUES ('1', 't')", NULL},
    {"INSERT INTO postbus.outbox (created_at, topic) VALUES (now(), 't')", NULL},
    {"INSERT INTO postbus.outbox VALUES (DEFAULT, DEFAULT, now(), NULL, 't')", NULL},
    {"MERGE INTO postbus.outbox o USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (id, topic) "
     "OVERRIDING SYSTEM VALUE VALUES (1, 't')",
     "MERGE"},
    {"COPY postbus.outbox FROM STDIN", NULL},
    {"COPY postbus.outbox (id, topic) FROM STDIN", NULL},
    {"COPY postbus.outbox_0 (topic) FROM STDIN", NULL},
    {"DO $$ BEGIN LOCK TABLE postbus.outbox IN ACCESS EXCLUSIVE MODE; END $$", NULL},
    {"DO $$ BEGIN LOCK TABLE postbus.outbox_0 IN SHARE MODE; END $$", NULL},
    {"SELECT nextval('postbus.outbox_id_seq')", NULL},
    {"SELECT setval('postbus.outbox_id_seq', 1)", NULL},
    {"ALTER SEQUENCE postbus.outbox_id_seq RESTART", NULL},
    {"ALTER TABLE postbus.outbox ADD COLUMN x int", NULL},
    {"ALTER TABLE postbus.outbox DISABLE TRIGGER ring", NULL},
    {"ALTER TABLE postbus.outbox DETACH PARTITION postbus.outbox_1", NULL},
    {"DROP TABLE postbus.outbox", NULL},
    {"DROP TRIGGER ring ON postbus.outbox", NULL},
    {"DROP FUNCTION postbus.ring()", NULL},
    {"DROP SCHEMA postbus CASCADE", NULL},
    {"CREATE TABLE postbus.mine (x int)", NULL},
    {"CREATE FUNCTION postbus.publish(integer) RETURNS int LANGUAGE sql AS 'SELECT 1'", NULL},
    {"CREATE OR REPLACE FUNCTION postbus.check_topic(topic text) RETURNS boolean LANGUAGE sql AS 'SELECT "
     "true'",
     NULL},
    {"ALTER FUNCTION postbus.check_topic(text) RESET ALL", NULL},
    {"ALTER DOMAIN postbus.event_topic DROP CONSTRAINT event_topic_check", NULL},
    {"CREATE TRIGGER mine AFTER INSERT ON postbus.outbox FOR EACH STATEMENT EXECUTE FUNCTION "
     "pg_catalog.tsvector_update_trigger()",
     NULL},
    {"CREATE RULE mine AS ON INSERT TO postbus.outbox DO INSTEAD NOTHING", NULL},
    {"CREATE INDEX ON postbus.outbox (topic)", NULL},
    {"SELECT postbus.ring()", NULL},
    {"UPDATE postbus.setting SET value = highest", NULL},
    {"INSERT INTO postbus.setting VALUES ('max_value_bytes', 1, 1, 1, '')", NULL},
    {"UPDATE postbus.instance SET system_identifier = 1", NULL},
    {"UPDATE postbus.progress SET leaf = 1", NULL},
    {"DELETE FROM postbus.progress", NULL},
    {"UPDATE postbus.receipt SET first_id = 1", NULL},
    {"DELETE FROM postbus.receipt", NULL},
    {"UPDATE postbus.leadership SET relay = 'me'", NULL},
    {"DELETE FROM postbus.leadership", NULL},
    {"TRUNCATE postbus.receipt_3", NULL},
    {"TRUNCATE postbus.progress_3", NULL},
    {"UPDATE postbus.leaf SET checked_id = 1", NULL},
    {"SELECT postbus.check_leaf(0, 0, 1)", NULL},
    {"CREATE OR REPLACE FUNCTION postbus.close_leaf(interval) RETURNS int LANGUAGE sql AS 'SELECT 1'", NULL},
    {"SET SESSION AUTHORIZATION owner", NULL},
    {"SET ROLE owner", NULL},
    {"SELECT set_config('role', 'owner', false)", NULL},
    {"SELECT postbus.rebase()", NULL},
    {"SELECT 1 FROM postbus.outbox FOR UPDATE", NULL},
    {"UPDATE postbus.parked SET id = 7", NULL},
    {"UPDATE postbus.dead SET why = 'x'", NULL},
    {"INSERT INTO postbus.undo (table_name, id) VALUES ('parked', 1)", NULL},
    {"UPDATE postbus.undo SET id = 7", NULL},
    {"SELECT postbus.take_back(p) FROM postbus.progress p", NULL},
    {"DELETE FROM postbus.dead", NULL},
    {"UPDATE postbus.audit SET who = 'x'", NULL},
    {"DELETE FROM postbus.audit", NULL},
    {"INSERT INTO postbus.audit (who, action, what, n_events) VALUES ('x', 'redrive', '{}', 1)", NULL},
    {"INSERT INTO postbus.wish (id, action, wished_by) VALUES (1, 'discard', 'x')", NULL},
    {"TRUNCATE postbus.parked", NULL},
    {"TRUNCATE postbus.progress", NULL},
    {"TRUNCATE postbus.receipt_0", NULL},
    {"INSERT INTO postbus.progress_0 (leaf) VALUES (0)", NULL},
    {"INSERT INTO postbus.instance (outbox_id, system_identifier) VALUES (gen_random_uuid(), 1)", NULL},
    {"CREATE VIEW postbus.mine AS SELECT 1", NULL},
    {"CREATE SEQUENCE postbus.mine", NULL},
    {"CREATE TYPE postbus.mine AS (x int)", NULL},
    {"CREATE DOMAIN postbus.text AS pg_catalog.text", NULL},
    {"CREATE OPERATOR postbus.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq)", NULL},
    {"CREATE TEMP TABLE spy () INHERITS (postbus.parked)", NULL},
    {"CREATE POLICY mine ON postbus.outbox USING (true)", NULL},
    {"ALTER TABLE postbus.outbox ENABLE ROW LEVEL SECURITY", NULL},
    {"ALTER TABLE postbus.outbox OWNER TO CURRENT_USER", NULL},
    {"ALTER VIEW postbus.event RENAME TO old_event", NULL},
    {"ALTER SCHEMA postbus RENAME TO mine", NULL},
    {"ALTER FUNCTION postbus.publish_batch(text[], bytea[], bytea[], text[], jsonb[], uuid[]) SECURITY "
     "INVOKER",
     NULL},
    {"ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA postbus GRANT ALL ON TABLES TO CURRENT_USER", NULL},
    {"GRANT postbus_relay TO stranger", NULL},
    {"ALTER ROLE postbus_publisher SUPERUSER", NULL},
};

static const attempt nobody_but_the_relay[] = {
    {"SELECT postbus.end_late_discards()", NULL},
};

static const attempt nobody_but_an_operator[] = {
    {"SELECT postbus.redrive()", NULL},
    {"SELECT postbus.redrive(topic => 't')", NULL},
    {"SELECT postbus.discard(1, 'x')", NULL},
};

static const attempt publisher_too[] = {
    {"UPDATE postbus.parked SET reason = 'x'", NULL},
    {"SELECT 1 FROM postbus.parked FOR SHARE", NULL},
    {"SELECT * FROM postbus.outbox", NULL},
    {"SELECT count(*) FROM postbus.outbox", NULL},
    {"SELECT 1 FROM postbus.outbox", NULL},
    {"SELECT topic FROM postbus.outbox_0", NULL},
    {"TABLE postbus.event", NULL},
    {"TABLE postbus.progress", NULL},
    {"TABLE postbus.receipt", NULL},
    {"TABLE postbus.parked", NULL},
    {"TABLE postbus.setting", NULL},
    {"TABLE postbus.instance", NULL},
    {"TABLE postbus.current_progress", NULL},
    {"TABLE postbus.leadership", NULL},
    {"SELECT postbus.backlog()", NULL},
    {"COPY postbus.outbox TO STDOUT", NULL},
    {"INSERT INTO postbus.outbox (topic) VALUES ('t') RETURNING id", NULL},
    {"INSERT INTO postbus.outbox (topic) VALUES ('t') RETURNING topic", NULL},
    {"INSERT INTO postbus.progress (leaf) VALUES (0)", NULL},
    {"INSERT INTO postbus.receipt SELECT 0", NULL},
    {"INSERT INTO postbus.parked (id, topic, reason) VALUES (1, 't', 'r')", NULL},
    {"INSERT INTO postbus.leadership (relay, backend) VALUES ('me', 1)", NULL},
    {"DELETE FROM postbus.parked", NULL},
    {"SELECT postbus.close_leaf('0 s')", NULL},
    {"SELECT postbus.clear_leaf(0, '0 s', false)", NULL},
    {"TABLE postbus.leaf", NULL},
};

static const attempt viewer_and_operator_too[] = {
    {"UPDATE postbus.parked SET reason = 'x'", NULL},
    {"SELECT 1 FROM postbus.parked FOR SHARE", NULL},
    {"TABLE postbus.outbox", NULL},
    {"SELECT value FROM postbus.outbox", NULL},
    {"SELECT value FROM postbus.outbox_0", NULL},
    {"TABLE postbus.receipt", NULL},
    {"SELECT postbus.publish('t', 'v')", NULL},
    {"SELECT postbus.publish('t', '{}'::jsonb)", NULL},
    {"SELECT postbus.publish('t', 'v'::bytea)", NULL},
    {"SELECT postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])", NULL},
    {"INSERT INTO postbus.outbox (topic) VALUES ('t')", NULL},
    {"INSERT INTO postbus.parked (id, topic, reason) VALUES (1, 't', 'r')", NULL},
    {"DELETE FROM postbus.parked", NULL},
    {"INSERT INTO postbus.progress (leaf) VALUES (0)", NULL},
    {"SELECT postbus.close_leaf('0 s')", NULL},
    {"SELECT postbus.clear_leaf(0, '0 s', false)", NULL},
    {"TABLE postbus.leaf", NULL},
};

static const attempt relay_too[] = {
    {"SELECT postbus.publish('t', 'v')", NULL},
    {"SELECT postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])", NULL},
    {"INSERT INTO postbus.outbox (topic) VALUES ('t')", NULL},
    {"INSERT INTO postbus.progress (n) OVERRIDING SYSTEM VALUE VALUES (1)", "ANY"},
    {"UPDATE postbus.parked SET topic = 'x'", NULL},
};

static const attempt stranger_too[] = {
    {"SELECT postbus.publish('t', 'v')", NULL},
    {"SELECT postbus.event_id(1)", NULL},
    {"TABLE postbus.event", NULL},
    {"TABLE postbus.outbox", NULL},
    {"INSERT INTO postbus.outbox (topic) VALUES ('t')", NULL},
    {"SELECT postbus.close_leaf('0 s')", NULL},
    {"SELECT postbus.clear_leaf(0, '0 s', false)", NULL},
    {"TABLE postbus.leaf", NULL},
};

static void expect_refusals(const char *role, const attempt *attempts, size_t n)
{
    PGconn *conn = stage_connect(role, "main");
    for (size_t i = 0; i < n; i++) {
        pg_refusal r = pg_refusal_of(conn, "%s", attempts[i].sql);
        bool privilege = strcmp(r.sqlstate, "42501") == 0;
        bool no_merge = attempts[i].sqlstate && strcmp(attempts[i].sqlstate, "MERGE") == 0 &&
                        PQserverVersion(conn) < 150000;
        bool any = attempts[i].sqlstate && strcmp(attempts[i].sqlstate, "ANY") == 0;
        if (!privilege && !no_merge && !any)
            fail_msg("%s: %s was refused with %s: %s", role, attempts[i].sql, r.sqlstate, r.message);
    }
    PQfinish(conn);
}

#define ATTEMPTS(table) table, sizeof table / sizeof *table

static void no_role_may_alter_events_or_the_schema(void **state)
{
    (void)state;
    expect_refusals("publisher", ATTEMPTS(nobody_but_the_owner));
    expect_refusals("viewer", ATTEMPTS(nobody_but_the_owner));
    expect_refusals("relay", ATTEMPTS(nobody_but_the_owner));
    expect_refusals("operator", ATTEMPTS(nobody_but_the_owner));
    expect_refusals("stranger", ATTEMPTS(nobody_but_the_owner));
}

static void a_publisher_may_publish_and_nothing_else(void **state)
{
    (void)state;
    expect_refusals("publisher", ATTEMPTS(publisher_too));
}

static void a_viewer_sees_no_payload_and_publishes_nothing(void **state)
{
    (void)state;
    expect_refusals("viewer", ATTEMPTS(viewer_and_operator_too));
}

static void an_operator_wishes_and_writes_nothing_by_itself(void **state)
{
    (void)state;
    static const char *const others[] = {"publisher", "viewer", "relay", "stranger"};
    expect_refusals("operator", ATTEMPTS(viewer_and_operator_too));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_refusals(others[i], ATTEMPTS(nobody_but_an_operator));
}

static void the_relay_appends_and_never_publishes(void **state)
{
    (void)state;
    static const char *const others[] = {"publisher", "viewer", "operator", "stranger"};
    expect_refusals("relay", ATTEMPTS(relay_too));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_refusals(others[i], ATTEMPTS(nobody_but_the_relay));
}

static void a_stranger_may_do_nothing(void **state)
{
    (void)state;
    expect_refusals("stranger", ATTEMPTS(stranger_too));
}

static void each_role_may_do_its_own_work(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    pg_run(conn, "SELECT postbus.publish('t', 'v'); INSERT INTO postbus.outbox (topic, value, key, type, "
                 "headers, event_id)"
                 " VALUES ('t', 'v', 'k', 'y', '{}', gen_random_uuid()); SELECT postbus.event_id(1)");
    PQfinish(conn);
    conn = stage_connect("viewer", "main");
    pg_run(conn, "TABLE postbus.event; TABLE postbus.current_progress; TABLE postbus.setting; TABLE "
                 "postbus.leadership;"
                 "TABLE postbus.instance; SELECT * FROM postbus.backlog(); SELECT max(published) FROM "
                 "postbus.progress");
    PQfinish(conn);
    conn = stage_connect("relay", "main");
    pg_run(conn,
           "BEGIN; TABLE postbus.outbox; SELECT last_value, is_called FROM postbus.outbox_id_seq;"
           "INSERT INTO postbus.leadership (relay, backend) VALUES ('r', 1) RETURNING epoch;"
           "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)"
           " VALUES (0, 1, '3:3:', '3', 0, '3:3:', '3', 0, 0, 0, 0);"
           "INSERT INTO postbus.receipt VALUES (0, 1, 1, now(), '{1}', '{0}', '{0}');"
           "INSERT INTO postbus.parked (id, topic, reason) VALUES (1, 't', 'r'); DELETE FROM postbus.parked "
           "WHERE id = 1; SELECT postbus.close_leaf('1 h'); SELECT postbus.clear_leaf(0, '1 h', true); TABLE "
           "postbus.leaf; ROLLBACK");
    PQfinish(conn);
}

/* What the planner knows of the columns' values is shown only to those who may read them. */
static void nobody_reads_payloads_from_the_statistics(void **state)
{
    (void)state;
    static const char *const roles[] = {"publisher", "viewer", "operator", "stranger"};
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner,
           "INSERT INTO postbus.outbox (topic, value) SELECT 't', 'a secret' FROM generate_series(1, 100)");
    pg_run(owner, "ANALYZE postbus.outbox_0");
    static const char seen[] =
        "SELECT count(*) FROM pg_stats WHERE schemaname = 'postbus' AND attname = 'value'";
    assert_true(pg_number(owner, "%s", seen) > 0);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        PGconn *conn = stage_connect(roles[i], "main");
        assert_int_equal(pg_number(conn, "%s", seen), 0);
        PQfinish(conn);
    }
    PQfinish(owner);
}

static void nothing_of_ours_is_open_to_the_public(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    assert_int_equal(pg_number(owner,
                               "SELECT count(*) FROM pg_proc p WHERE pronamespace = 'postbus'::regnamespace"
                               " AND has_function_privilege('stranger', p.oid, 'EXECUTE')"),
                     0);
    assert_int_equal(pg_number(owner,
                               "SELECT count(*) FROM pg_class c WHERE relnamespace = 'postbus'::regnamespace "
                               "AND relkind IN ('r', 'p', 'v')"
                               " AND has_any_column_privilege('stranger', c.oid, 'SELECT, INSERT, UPDATE')"),
                     0);
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_role_may_alter_events_or_the_schema),
        cmocka_unit_test(a_publisher_may_publish_and_nothing_else),
        cmocka_unit_test(a_viewer_sees_no_payload_and_publishes_nothing),
        cmocka_unit_test(an_operator_wishes_and_writes_nothing_by_itself),
        cmocka_unit_test(the_relay_appends_and_never_publishes),
        cmocka_unit_test(a_stranger_may_do_nothing),
        cmocka_unit_test(each_role_may_do_its_own_work),
        cmocka_unit_test(nobody_reads_payloads_from_the_statistics),
        cmocka_unit_test(nothing_of_ours_is_open_to_the_public),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
