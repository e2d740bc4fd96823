/* Attacks by search_path: an attacker's names ahead of ours and of pg_catalog. Nothing of the attacker's may run with the
 * rights of another, and what a caller has in its own path must not break its publishing. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In schema trap: functions, operators, types and tables that shadow every name our functions use, and tell when they run. */
static const char trap[] =
    "CREATE SCHEMA trap;"
    "CREATE TABLE trap.sprung (what text, as_whom name DEFAULT current_user);"
    "GRANT USAGE ON SCHEMA trap TO PUBLIC; GRANT INSERT ON trap.sprung TO PUBLIC;"
    "CREATE FUNCTION trap.spring(what text) RETURNS void LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO trap.sprung (what) VALUES (what); END';"
    "CREATE TABLE trap.outbox (topic text, value bytea); CREATE TABLE trap.setting (name text, value bigint);"
    "CREATE DOMAIN trap.text AS pg_catalog.text CHECK (false); CREATE DOMAIN trap.bytea AS pg_catalog.bytea "
    "CHECK (false);"
    "CREATE DOMAIN trap.uuid AS pg_catalog.uuid CHECK (false); CREATE DOMAIN trap.jsonb AS pg_catalog.jsonb "
    "CHECK (false);"
    "CREATE DOMAIN trap.xid8 AS pg_catalog.xid8 CHECK (false); CREATE DOMAIN trap.event_topic AS "
    "pg_catalog.text CHECK (false);";

typedef struct shadow {
    const char *name, *arguments, *returns;
} shadow;

static const shadow functions[] = {
    {"convert_to", "pg_catalog.text, name", "pg_catalog.bytea"},
    {"convert_to", "pg_catalog.text, pg_catalog.text", "pg_catalog.bytea"},
    {"currval", "regclass", "bigint"},
    {"currval", "pg_catalog.text", "bigint"},
    {"current_setting", "pg_catalog.text, boolean", "pg_catalog.text"},
    {"lower", "pg_catalog.text", "pg_catalog.text"},
    {"left", "pg_catalog.text, integer", "pg_catalog.text"},
    {"right", "pg_catalog.text, integer", "pg_catalog.text"},
    {"replace", "pg_catalog.text, pg_catalog.text, pg_catalog.text", "pg_catalog.text"},
    {"pg_current_xact_id", "", "pg_catalog.xid8"},
    {"clock_timestamp", "", "timestamptz"},
    {"pg_try_advisory_xact_lock_shared", "bigint", "boolean"},
    {"pg_notification_queue_usage", "", "double precision"},
    {"pg_notify", "pg_catalog.text, pg_catalog.text", "void"},
    {"octet_length", "pg_catalog.bytea", "integer"},
    {"octet_length", "pg_catalog.text", "integer"},
    {"jsonb_typeof", "pg_catalog.jsonb", "pg_catalog.text"},
    {"jsonb_path_exists", "pg_catalog.jsonb, jsonpath", "boolean"},
    {"to_hex", "bigint", "pg_catalog.text"},
    {"cardinality", "anyarray", "integer"},
    {"pg_visible_in_snapshot", "pg_catalog.xid8, pg_snapshot", "boolean"},
    {"check_topic", "pg_catalog.text", "boolean"},
    {"check_value", "pg_catalog.bytea", "boolean"},
    {"event_id", "bigint", "pg_catalog.uuid"},
};

static const char *const operators[][3] = {
    {"=", "pg_catalog.text", "pg_catalog.text"},
    {"=", "boolean", "boolean"},
    {"<", "double precision", "double precision"},
    {"<", "double precision", "numeric"},
    {"<=", "integer", "integer"},
    {"<>", "integer", "integer"},
    {"||", "pg_catalog.text", "pg_catalog.text"},
    {"~", "pg_catalog.text", "pg_catalog.text"},
    {"|", "bigint", "bigint"},
    {"&", "bigint", "bigint"},
    {"&", "bigint", "integer"},
    {">>", "bigint", "integer"},
    {"?", "pg_catalog.jsonb", "pg_catalog.text"},
};

static void set_the_trap(PGconn *owner)
{
    pg_run(owner, "%s", trap);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        pg_run(
            owner,
            "CREATE FUNCTION trap.%s(%s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('%s'); "
            "RETURN%s; END $$",
            functions[i].name, functions[i].arguments, functions[i].returns, functions[i].name,
            strcmp(functions[i].returns, "void") == 0 ? "" : " NULL");
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        pg_run(owner,
               "CREATE FUNCTION trap.op%zu(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM "
               "trap.spring('operator %s'); RETURN true; END $$;"
               "CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.op%zu)",
               i, operators[i][1], operators[i][2], operators[i][0], operators[i][0], operators[i][1],
               operators[i][2], i);
}

static int start_with_the_trap(void **state)
{
    if (stage_start(state))
        return -1;
    PGconn *owner = stage_connect("owner", "main");
    set_the_trap(owner);
    PQfinish(owner);
    return 0;
}

/* Publishes by every way, also what takes the checks' slow paths, with doorbell armed and not. */
static void publish_every_way(PGconn *conn)
{
    pg_run(conn, "SELECT postbus.publish('t', 'v', 'k', 'y', '{\"a\":\"b\"}', NULL)");
    pg_run(conn, "SELECT postbus.publish('t', '{}'::pg_catalog.jsonb)");
    pg_run(conn, "SELECT postbus.publish('...', pg_catalog.decode(pg_catalog.repeat('00', 9000), 'hex'), "
                 "pg_catalog.decode(pg_catalog.repeat('00', 2000), 'hex'))");
    pg_run(conn, "SELECT postbus.publish('t', 'v', headers => pg_catalog.jsonb_build_object('a', "
                 "pg_catalog.repeat('x', 2000)))");
    pg_run(conn, "SELECT * FROM postbus.publish_batch(ARRAY['t', '...']::pg_catalog.text[], ARRAY['v', "
                 "'w']::pg_catalog.bytea[])");
    pg_run(conn, "INSERT INTO postbus.outbox (topic, value, key, type, headers) VALUES ('t', 'v', 'k', 'y', "
                 "'{\"a\":\"b\"}')");
    pg_run(conn, "INSERT INTO postbus.outbox (topic, value) VALUES ('...', "
                 "pg_catalog.decode(pg_catalog.repeat('00', 9000), 'hex'))");
    pg_expect_refused(conn, "PB001", "SELECT postbus.publish('a b', 'v')");
    pg_expect_refused(conn, "PB003", "SELECT postbus.publish('t', 'v', headers => '{\"a\":1}')");
    pg_expect_refused(conn, "PB006",
                      "SELECT * FROM postbus.publish_batch(ARRAY['t']::pg_catalog.text[], NULL)");
    pg_run(conn, "SELECT postbus.event_id(7), postbus.id_of(postbus.event_id(7))");
}

static void assert_not_sprung(PGconn *owner)
{
    char *sprung = pg_text(
        owner, "SELECT pg_catalog.string_agg(DISTINCT what || ' as ' || as_whom, ', ') FROM trap.sprung");
    if (sprung)
        fail_msg("sprung: %s", sprung);
}

static void publishing_ignores_every_shadow_in_the_callers_path(void **state)
{
    (void)state;
    static const char *const paths[] = {"trap, pg_catalog", "trap", "trap, postbus, pg_catalog", "''"};
    PGconn *owner = stage_connect("owner", "main");
    PGconn *relay = stage_connect("relay", "main");
    for (int armed = 0; armed < 2; armed++) {
        if (armed)
            pg_run(relay, "SELECT pg_advisory_lock(8101821198368076544)");
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            PGconn *conn = stage_connect("publisher", "main");
            pg_run(conn, "SET search_path = %s", paths[i]);
            publish_every_way(conn);
            PQfinish(conn);
            assert_not_sprung(owner);
        }
    }
    PQfinish(relay);
    PQfinish(owner);
}

static void the_shadows_do_work_where_nothing_guards_against_them(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(
        owner,
        "BEGIN; SET LOCAL search_path = trap, pg_catalog; SELECT octet_length('x'::pg_catalog.text), 1 <= 2");
    assert_int_equal(pg_number(owner, "SELECT pg_catalog.count(*) FROM trap.sprung"), 2);
    pg_run(owner, "ROLLBACK");
    PQfinish(owner);
}

static void temporary_objects_named_as_ours_change_nothing(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = stage_connect("publisher", "main");
    int64_t before = pg_number(owner, "SELECT count(*) FROM postbus.outbox");
    pg_run(conn, "CREATE TEMP TABLE outbox (topic text, value bytea); CREATE TEMP TABLE setting (name text, "
                 "value bigint);"
                 "CREATE TEMP TABLE progress (x int); CREATE TEMP SEQUENCE outbox_id_seq;"
                 "CREATE FUNCTION pg_temp.check_topic(topic text) RETURNS boolean LANGUAGE sql AS 'SELECT "
                 "true'; SET search_path = pg_temp, public");
    publish_every_way(conn);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM pg_temp.outbox"), 0);
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox") - before, 8);
    PQfinish(conn);
    PQfinish(owner);
}

/* A session's temporary schema comes before pg_catalog for the names of tables and types, unless it is named. */
static void temporary_types_named_as_ours_change_nothing(void **state)
{
    (void)state;
    static const char *const types[] = {"text", "bytea",    "uuid",        "jsonb",      "xid8",
                                        "name", "regclass", "event_topic", "event_value"};
    static const char *const bases[] = {"text", "bytea",    "uuid", "jsonb", "xid8",
                                        "name", "regclass", "text", "bytea"};
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = stage_connect("publisher", "main");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        pg_run(conn, "CREATE DOMAIN pg_temp.%s AS pg_catalog.%s CHECK (VALUE IS NULL)", types[i], bases[i]);
    int64_t before = pg_number(owner, "SELECT count(*) FROM postbus.outbox");
    publish_every_way(conn);
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox") - before, 8);
    PQfinish(conn);
    PQfinish(owner);
}

static void looking_on_ignores_the_shadows_too(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = stage_connect("viewer", "main");
    pg_run(conn, "SET search_path = trap, pg_catalog");
    pg_run(conn, "TABLE postbus.event");
    pg_run(conn, "SELECT * FROM postbus.backlog()");
    pg_run(conn, "TABLE postbus.current_progress");
    assert_not_sprung(owner);
    PQfinish(conn);
    PQfinish(owner);
}

/* Functions that run with their owner's rights, for an operator and for the relay. Nothing is parked and no leaf is old: they come to an end all the same. */
static void operating_ignores_the_shadows_too(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = stage_connect("operator", "main");
    pg_run(conn, "SET search_path = trap, pg_catalog");
    pg_run(conn, "SELECT postbus.redrive()");
    pg_run(conn, "SELECT postbus.redrive(topic => 't', key => 'k', older_than => '1 h')");
    pg_run(conn, "SELECT postbus.discard(1, 'x')");
    pg_expect_refused(conn, "PB008", "SELECT postbus.discard(1, ' ')");
    PQfinish(conn);
    conn = stage_connect("relay", "main");
    pg_run(conn, "SET search_path = trap, pg_catalog");
    pg_run(conn, "SELECT postbus.end_late_discards()");
    pg_run(conn, "SELECT postbus.close_leaf('0 s')");
    for (int leaf = 0; leaf < 16; leaf++)
        pg_run(conn, "SELECT postbus.clear_leaf(%d, '0 s', true)", leaf);
    assert_not_sprung(owner);
    PQfinish(conn);
    PQfinish(owner);
}

static void every_function_that_runs_as_its_owner_has_a_path_of_its_own(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_expect(
        owner, NULL,
        "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE pronamespace = "
        "'postbus'::regnamespace"
        " AND prosecdef AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)");
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishing_ignores_every_shadow_in_the_callers_path),
        cmocka_unit_test(the_shadows_do_work_where_nothing_guards_against_them),
        cmocka_unit_test(temporary_objects_named_as_ours_change_nothing),
        cmocka_unit_test(temporary_types_named_as_ours_change_nothing),
        cmocka_unit_test(looking_on_ignores_the_shadows_too),
        cmocka_unit_test(operating_ignores_the_shadows_too),
        cmocka_unit_test(every_function_that_runs_as_its_owner_has_a_path_of_its_own),
    };
    return cmocka_run_group_tests(tests, start_with_the_trap, stage_stop);
}
