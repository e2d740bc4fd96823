/* The forms of a publish and the transactions it works in; nothing about what is refused. */
#include "stage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t last_id(PGconn *owner)
{
    return pg_number(owner, "SELECT last_value FROM postbus.outbox_id_seq");
}

/* The newest row, each column as text, NULL written as "-". */
static void assert_newest(PGconn *owner, const char *expected)
{
    pg_expect(owner, expected,
              "SELECT concat_ws('|', topic, coalesce(encode(value, 'escape'), '-'), coalesce(encode(key, "
              "'escape'), '-'),"
              " coalesce(type, '-'), coalesce(headers::text, '-'))"
              " FROM postbus.outbox ORDER BY id DESC LIMIT 1");
}

typedef struct form {
    const char *call;
    const char *row;
} form;

static const form forms[] = {
    {"'t', 'v'", "t|v|-|-|-"},
    {"'t', 'v', 'k'", "t|v|k|-|-"},
    {"'t', 'v', 'k', 'order.created', '{\"a\":\"b\"}'", "t|v|k|order.created|{\"a\": \"b\"}"},
    {"topic => 't', value => 'v', key => 'k'", "t|v|k|-|-"},
    {"key => 'k', value => 'v', topic => 't', headers => '{}'", "t|v|k|-|{}"},
    {"'t', 'v', headers => NULL, type => 'x'", "t|v|-|x|-"},
    {"'t'::varchar, 'v'::varchar, 'k'::varchar(9)", "t|v|k|-|-"},
    {"'t', NULL", "t|-|-|-|-"},
    {"'t', NULL, 'k'", "t|-|k|-|-"},
    {"'t', value => NULL::jsonb, key => 'k'", "t|-|k|-|-"},
    {"'t', value => NULL::bytea, key => 'k'", "t|-|k|-|-"},
    {"'t', ''", "t||-|-|-"},
    {"'t', '{\"a\": 1}'", "t|{\"a\": 1}|-|-|-"},
    {"'t', '{\"b\":1,\"a\":2}'::jsonb", "t|{\"a\": 2, \"b\": 1}|-|-|-"},
    {"'t', jsonb_build_object('a', 1), 'k'", "t|{\"a\": 1}|k|-|-"},
    {"'t', 'null'::jsonb", "t|null|-|-|-"},
    {"'t', '\\x00ff'::bytea, '\\x00'::bytea", "t|\\000\\377|\\000|-|-"},
    {"'t', '\\x76'::bytea, key => 'k'", "t|v|k|-|-"},
    {"'t', 'v', key => '\\x6b'::bytea", "t|v|k|-|-"},
    {"'t', U&'\\00fc\\20ac', U&'\\00df'", "t|\\303\\274\\342\\202\\254|\\303\\237|-|-"},
};

static void each_form_of_publish_stores_what_it_was_given_and_returns_the_id(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int64_t id = pg_number(conn, "SELECT postbus.publish(%s)", forms[i].call);
        assert_int_equal(id, last_id(owner));
        assert_newest(owner, forms[i].row);
    }
    PQfinish(owner);
    PQfinish(conn);
}

static void parameters_of_unknown_type_are_taken(void **state)
{
    (void)state;
    const char *const values[] = {
        "t", "v", "k", "y", "{\"a\":\"b\"}", "c0ffee00-0000-4000-8000-000000000001"};
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    PGresult *result =
        PQexecParams(conn, "SELECT postbus.publish($1, $2, $3, $4, $5, $6)", 6, NULL, values, NULL, NULL, 0);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    assert_newest(owner, "t|v|k|y|{\"a\": \"b\"}");
    PQfinish(owner);
    PQfinish(conn);
}

/* Promise E1. */
static void the_event_id_is_stable_and_derived_from_the_row(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    int64_t id = pg_number(conn, "SELECT postbus.publish('t', 'v')");
    pg_expect(owner, NULL, "SELECT event_id FROM postbus.outbox WHERE id = %lld", (long long)id);
    char *first = pg_text(conn, "SELECT postbus.event_id(%lld)", (long long)id);
    pg_expect(owner, first, "SELECT event_id FROM postbus.event WHERE id = %lld", (long long)id);
    pg_expect(owner, first, "SELECT postbus.event_id(%lld)", (long long)id);
    assert_int_equal(first[14], '8');
    assert_non_null(strchr("89ab", first[19]));
    assert_int_equal(pg_number(conn, "SELECT postbus.id_of('%s')", first), id);
    assert_int_equal(
        pg_number(conn, "SELECT count(DISTINCT postbus.event_id(n)) FROM generate_series(1, 10000) n"),
        10000);
    free(first);
    PQfinish(owner);
    PQfinish(conn);
}

/* Promise E1. */
static void an_event_id_of_the_callers_own_is_kept(void **state)
{
    (void)state;
    const char own[] = "0b5ae7de-7d33-4b1e-9a52-4f3dd0a0c0de";
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    int64_t id = pg_number(conn, "SELECT postbus.publish('t', 'v', event_id => '%s')", own);
    pg_expect(owner, own, "SELECT event_id FROM postbus.event WHERE id = %lld", (long long)id);
    pg_expect(conn, NULL, "SELECT postbus.id_of('%s')", own);
    PQfinish(owner);
    PQfinish(conn);
}

static void a_batch_returns_ids_and_event_ids_in_the_order_of_its_arrays(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE TEMP TABLE got (n bigint, id bigint, event_id uuid)");
    pg_run(owner, "GRANT postbus_publisher TO owner");
    pg_run(owner,
           "INSERT INTO got SELECT row_number() OVER (), * FROM postbus.publish_batch("
           " (SELECT array_agg('batch'::text ORDER BY n) FROM generate_series(1, 1000) n),"
           " (SELECT array_agg(n::text::bytea ORDER BY n) FROM generate_series(1, 1000) n),"
           " event_ids => (SELECT array_agg(CASE WHEN n %% 2 = 0 THEN gen_random_uuid() END ORDER BY n) "
           "FROM generate_series(1, 1000) n))");
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM got JOIN postbus.outbox o USING (id)"
                                      " WHERE o.value = n::text::bytea"
                                      " AND got.event_id = coalesce(o.event_id, postbus.event_id(o.id))"),
                     1000);
    assert_int_equal(pg_number(owner, "SELECT max(id) - min(id) FROM got"), 999);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.publish_batch('{}', '{}')"), 0);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.publish_batch(NULL, NULL)"), 0);
    PQfinish(owner);
    PQfinish(conn);
}

static void arrays_of_more_dimensions_are_taken_element_by_element(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.publish_batch(ARRAY[['a','b'],['c','d']], "
                                     "ARRAY['1','2','3','4']::bytea[])"),
                     4);
    PQfinish(conn);
}

static void a_batch_with_one_bad_event_publishes_none(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    int64_t before = pg_number(owner, "SELECT count(*) FROM postbus.outbox");
    pg_expect_refused(conn, "PB001",
                      "SELECT * FROM postbus.publish_batch(ARRAY['a','b',''], ARRAY['1','2','3']::bytea[])");
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox"), before);
    PQfinish(owner);
    PQfinish(conn);
}

static void insert_select_gives_each_row_an_id_of_its_own(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    pg_run(conn, "INSERT INTO postbus.outbox (topic, value) SELECT 'selected', n::text::bytea FROM "
                 "generate_series(1, 500) n");
    pg_run(conn, "INSERT INTO postbus.outbox (topic, value) SELECT 'selected', generate_series(501, "
                 "1000)::text::bytea");
    assert_int_equal(
        pg_number(owner, "SELECT count(DISTINCT id) FROM postbus.outbox WHERE topic = 'selected'"), 1000);
    assert_int_equal(
        pg_number(owner,
                  "SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY encode(value, 'escape')::int) AS p"
                  " FROM postbus.outbox WHERE topic = 'selected') o WHERE id <= p"),
        0);
    assert_int_equal(
        pg_number(owner, "SELECT count(DISTINCT xid) FROM postbus.outbox WHERE topic = 'selected'"), 2);
    PQfinish(owner);
    PQfinish(conn);
}

static void publishing_works_at_each_isolation_level_and_with_asynchronous_commit(void **state)
{
    (void)state;
    static const char *const levels[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
                                         "SERIALIZABLE"};
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    for (size_t i = 0; i < 4; i++) {
        pg_run(conn,
               "BEGIN ISOLATION LEVEL %s; SET LOCAL synchronous_commit = off; SELECT "
               "postbus.publish('level%zu', 'v', headers => '{\"a\":\"b\"}');"
               "SELECT * FROM postbus.publish_batch(ARRAY['level%zu'], ARRAY['x']::bytea[]); COMMIT",
               levels[i], i, i);
        assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox WHERE topic = 'level%zu'", i),
                         2);
    }
    PQfinish(owner);
    PQfinish(conn);
}

static void serializable_publishers_do_not_conflict(void **state)
{
    (void)state;
    PGconn *one = stage_connect("publisher", "main");
    PGconn *two = stage_connect("publisher", "main");
    pg_run(one,
           "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT postbus.publish('t', repeat('x', 9000), 'k', 'y', "
           "jsonb_build_object('a', repeat('b', 2000)))");
    pg_run(two,
           "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT postbus.publish('t', repeat('x', 9000), 'k', 'y', "
           "jsonb_build_object('a', repeat('b', 2000)))");
    pg_run(one, "SELECT postbus.publish('t', 'again'); COMMIT");
    pg_run(two, "SELECT postbus.publish('t', 'again'); COMMIT");
    PQfinish(one);
    PQfinish(two);
}

static void what_is_rolled_back_to_a_savepoint_or_an_exception_block_is_not_published(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    pg_run(conn,
           "BEGIN; SELECT postbus.publish('kept', '1'); SAVEPOINT a; SELECT postbus.publish('lost', '2'); "
           "ROLLBACK TO a;"
           "SAVEPOINT b; SELECT postbus.publish('kept', '3'); RELEASE b; COMMIT");
    pg_run(conn,
           "DO $$ BEGIN PERFORM postbus.publish('kept', '4'); BEGIN PERFORM postbus.publish('lost', '5'); "
           "RAISE division_by_zero;"
           " EXCEPTION WHEN division_by_zero THEN PERFORM postbus.publish('kept', '6'); END; END $$");
    pg_run(conn, "BEGIN; SELECT postbus.publish('lost', '7'); ROLLBACK");
    pg_expect(owner, "kept 1, kept 3, kept 4, kept 6",
              "SELECT string_agg(topic || ' ' || encode(value, 'escape'), ', ' ORDER BY id) FROM "
              "postbus.outbox WHERE topic IN ('kept', 'lost')");
    assert_int_equal(pg_number(owner, "SELECT count(DISTINCT xid) FROM postbus.outbox WHERE topic = 'kept'"),
                     2);
    PQfinish(owner);
    PQfinish(conn);
}

static void a_read_only_transaction_gets_postgresqls_own_error(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    pg_run(conn, "BEGIN READ ONLY");
    pg_expect_refused(conn, "25006", "SELECT postbus.publish('t', 'v')");
    pg_run(conn, "ROLLBACK; BEGIN READ ONLY");
    pg_expect_refused(conn, "25006", "SELECT * FROM postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])");
    pg_run(conn, "ROLLBACK");
    PQfinish(conn);
}

static void a_prepared_transaction_publishes_when_it_is_committed(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *relay = stage_connect("relay", "main");
    PGconn *owner = stage_connect("owner", "main");
    /* The bell is armed: without the setting there would be a NOTIFY, which PREPARE TRANSACTION refuses. */
    pg_run(relay, "SELECT pg_advisory_lock(8101821198368076544)");
    pg_run(conn, "BEGIN; SELECT postbus.publish('prepared', 'loud')");
    pg_expect_refused(conn, "0A000", "PREPARE TRANSACTION 'loud'");
    static const char *const offs[] = {"off", "'OFF'", "false", "'0'", "no"};
    for (size_t i = 0; i < sizeof offs / sizeof *offs; i++) {
        pg_run(conn,
               "BEGIN; SET LOCAL postbus.ring = %s; SELECT postbus.publish('prepared', 'silent'); PREPARE "
               "TRANSACTION 'silent'",
               offs[i]);
        assert_int_equal(
            pg_number(owner,
                      "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"),
            0);
        pg_run(conn, "COMMIT PREPARED 'silent'");
    }
    pg_run(relay, "SELECT pg_advisory_unlock(8101821198368076544)");
    pg_run(conn, "BEGIN; SELECT postbus.publish('prepared', 'awake'); PREPARE TRANSACTION 'awake'");
    pg_run(conn, "COMMIT PREPARED 'awake'");
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox WHERE topic = 'prepared'"), 6);
    PQfinish(owner);
    PQfinish(relay);
    PQfinish(conn);
}

#define WRITERS 8
#define PUBLISHES 400

static void *write_many(void *arg)
{
    PGconn *conn = arg;
    for (int i = 0; i < PUBLISHES; i++)
        PQclear(PQexec(conn, i % 5 ? "INSERT INTO mine SELECT postbus.publish('concurrent', 'v')"
                                   : "BEGIN; SELECT postbus.publish('concurrent', 'v'); ROLLBACK"));
    return NULL;
}

static void ids_are_unique_and_rise_within_a_session_under_concurrency(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conns[WRITERS];
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        conns[i] = stage_connect("publisher", "main");
        pg_run(conns[i],
               "SET synchronous_commit = off; CREATE TEMP TABLE mine (id bigint, n bigint GENERATED "
               "ALWAYS AS IDENTITY)");
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, conns[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(pg_number(conns[i], "SELECT count(*) FROM mine"), PUBLISHES / 5 * 4);
        assert_int_equal(
            pg_number(
                conns[i],
                "SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY n) AS p FROM mine) m WHERE id <= p"),
            0);
        PQfinish(conns[i]);
    }
    assert_int_equal(
        pg_number(owner, "SELECT count(DISTINCT id) FROM postbus.outbox WHERE topic = 'concurrent'"),
        WRITERS * PUBLISHES / 5 * 4);
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_publish_stores_what_it_was_given_and_returns_the_id),
        cmocka_unit_test(parameters_of_unknown_type_are_taken),
        cmocka_unit_test(the_event_id_is_stable_and_derived_from_the_row),
        cmocka_unit_test(an_event_id_of_the_callers_own_is_kept),
        cmocka_unit_test(a_batch_returns_ids_and_event_ids_in_the_order_of_its_arrays),
        cmocka_unit_test(arrays_of_more_dimensions_are_taken_element_by_element),
        cmocka_unit_test(a_batch_with_one_bad_event_publishes_none),
        cmocka_unit_test(insert_select_gives_each_row_an_id_of_its_own),
        cmocka_unit_test(publishing_works_at_each_isolation_level_and_with_asynchronous_commit),
        cmocka_unit_test(serializable_publishers_do_not_conflict),
        cmocka_unit_test(what_is_rolled_back_to_a_savepoint_or_an_exception_block_is_not_published),
        cmocka_unit_test(a_read_only_transaction_gets_postgresqls_own_error),
        cmocka_unit_test(a_prepared_transaction_publishes_when_it_is_committed),
        cmocka_unit_test(ids_are_unique_and_rise_within_a_session_under_concurrency),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
