/* The functions of the schema postbus_inbox against a real PostgreSQL, by sessions that interleave as they should not: one event is
 * claimed once, whatever the inbox does meanwhile, and nobody waits for its housekeeping. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "pg_fixture.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"
#include "wait_until.h"

enum { N_MEMBERS = 2 };

typedef struct inbox {
    PGconn *admin;             /* a superuser's */
    PGconn *member[N_MEMBERS]; /* of the role that a worker has */
} inbox;

static int group_setup(void **state)
{
    (void)state;
    stage_server = pg_fixture_new(NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    pg_fixture_free(stage_server);
    return 0;
}

static int setup(void **state)
{
    inbox *i = calloc(1, sizeof *i);
    stage_create_database("billing");
    i->admin = pg_fixture_connect(stage_server, "billing", NULL);
    for (int k = 0; k < N_MEMBERS; k++)
        i->member[k] = pg_fixture_connect(stage_server, "billing", "billing_app");
    pg_run(i->admin, "SELECT postbus_inbox.subscribe('shop', '[{\"key\": \"main\", \"topics\": [\"orders\"], "
                     "\"filter\": null, \"options\": {}}]')");
    *state = i;
    return 0;
}

/* Both ways to claim keep the same promises. */
static bool of_one;

static int setup_many(void **state)
{
    of_one = false;
    return setup(state);
}

static int setup_one(void **state)
{
    of_one = true;
    return setup(state);
}

static int teardown(void **state)
{
    inbox *i = *state;
    PQfinish(i->admin);
    for (int k = 0; k < N_MEMBERS; k++)
        PQfinish(i->member[k]);
    free(i);
    return 0;
}

#define INBOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup_many, teardown)
#define CLAIM_TEST(f)                                                                                        \
    INBOX_TEST(f),                                                                                           \
    {                                                                                                        \
#f "_of_one", f, setup_one, teardown, NULL                                                           \
    }

#define NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

/* A statement that claims event number n of the only source; 0: it is new, 1: it was handled before. */
static const char *claim(int n)
{
    static char sql[400];
    if (of_one)
        snprintf(
            sql, sizeof sql,
            "SELECT state FROM postbus_inbox.claim_one(1, 1, '00000000-0000-4000-8000-%012d', 0, %d, " NOW_MS
            ", NULL)",
            n, n);
    else
        snprintf(sql, sizeof sql,
                 "SELECT state FROM postbus_inbox.claim(1, ARRAY[1], "
                 "ARRAY['00000000-0000-4000-8000-%012d'::uuid], ARRAY[0], ARRAY[%d::bigint], ARRAY[" NOW_MS
                 "], ARRAY[NULL::bigint])",
                 n, n);
    return sql;
}

static void make_it_time(inbox *i)
{
    pg_run(i->admin, "UPDATE postbus_inbox.rotation SET opened_at = now() - interval '1 year'");
}

typedef struct turn {
    PGconn *conn;
    const char *said;
} turn;

static bool rotated(void *arg)
{
    const turn *t = arg;
    return pg_number(t->conn, "SELECT (postbus_inbox.rotate() = '%s')::int", t->said) == 1;
}

/* Calls rotate until it says so: the server's own transactions are waited for, too. */
static void rotate_until(inbox *i, const char *said)
{
    turn t = {i->admin, said};
    assert_true(wait_until(rotated, &t, STAGE_DEADLINE_MS));
}

static void open_next_leaf(inbox *i)
{
    make_it_time(i);
    rotate_until(i, "opened");
}

typedef struct waiter {
    PGconn *admin;
    int backend;
} waiter;

static bool waits(void *arg)
{
    waiter *w = arg;
    return pg_number(w->admin,
                     "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event_type = 'Lock'",
                     w->backend) == 1;
}

/* Sends a statement and waits until it waits for a lock. */
static void send_and_see_it_wait(inbox *i, PGconn *conn, const char *sql)
{
    waiter w = {i->admin, PQbackendPID(conn)};
    assert_int_equal(PQsendQuery(conn, sql), 1);
    assert_true(wait_until(waits, &w, STAGE_DEADLINE_MS));
}

/* Its SQLSTATE, or "" and the first column. */
static void take_answer(PGconn *conn, char *sqlstate, char *value, size_t size)
{
    PGresult *result = PQgetResult(conn);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(sqlstate, 6, "%s", code ? code : "");
    snprintf(value, size, "%s", code ? "" : PQgetvalue(result, 0, 0));
    while (result) {
        PQclear(result);
        result = PQgetResult(conn);
    }
}

/* The member's transaction has a newer id than the one that announces the leaf, and does not see it. */
static void a_leaf_is_not_left_before_all_know_the_next_one(void **state)
{
    inbox *i = *state;
    make_it_time(i);
    pg_run(i->admin, "BEGIN");
    pg_expect(i->admin, "announced", "SELECT postbus_inbox.rotate()");
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(1)), 0);
    pg_run(i->admin, "COMMIT");
    for (int k = 0; k < 5; k++)
        pg_expect(i->admin, "announced", "SELECT postbus_inbox.rotate()");
    pg_run(i->member[0], "COMMIT");
    rotate_until(i, "opened");
    pg_run(i->member[1], "BEGIN");
    assert_int_equal(pg_number(i->member[1], "%s", claim(1)), 1);
}

/* While a leaf is announced, one member knows of both, and another, which came later, only of the new one. */
static void what_one_claims_in_the_old_leaf_the_other_finds_in_the_new_one(void **state)
{
    inbox *i = *state;
    make_it_time(i);
    pg_expect(i->admin, "announced", "SELECT postbus_inbox.rotate()");
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(1)), 0);
    pg_expect(i->member[0], "0,1",
              "SELECT string_agg(leaf::text, ',' ORDER BY leaf) FROM postbus_inbox.inbox");
    pg_run(i->admin, "UPDATE postbus_inbox.rotation SET leaf = 1, next_leaf = NULL");
    pg_run(i->member[1], "BEGIN");
    send_and_see_it_wait(i, i->member[1], claim(1));
    pg_run(i->member[0], "COMMIT");
    char sqlstate[6], value[8];
    take_answer(i->member[1], sqlstate, value, sizeof value);
    assert_string_equal(value, "1");
}

/* The other way round: who knows only of the new one was first. */
static void what_is_in_the_new_leaf_is_not_claimed_by_who_knows_both(void **state)
{
    inbox *i = *state;
    char sqlstate[6], value[8];
    pg_run(i->admin, "UPDATE postbus_inbox.rotation SET leaf = 1");
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(1)), 0);
    pg_run(i->admin, "UPDATE postbus_inbox.rotation SET leaf = 0, next_leaf = 1");
    pg_run(i->member[1], "BEGIN");
    send_and_see_it_wait(i, i->member[1], claim(1));
    pg_run(i->member[0], "COMMIT");
    take_answer(i->member[1], sqlstate, value, sizeof value);
    assert_string_equal(value, "1");
}

/* A claim says what is to be done with an event: 2, it waits behind one of its key; 3, it is so old that nobody knows. */
static void a_claim_tells_what_waits_and_what_is_forgotten(void **state)
{
    inbox *i = *state;
    static const char *const form[] = {
        "SELECT state FROM postbus_inbox.claim(1, ARRAY[1], ARRAY['%s'::uuid], ARRAY[0], ARRAY[5::bigint], "
        "ARRAY[%lld::bigint], ARRAY[%s::bigint])",
        "SELECT state FROM postbus_inbox.claim_one(1, 1, '%s'::uuid, 0, 5, %lld, %s)"};
    static const struct {
        const char *identity, *queue;
        long long record_ms, state;
    } cases[] = {
        {"00000000-0000-4000-8000-000000000001", "7", 2000, 2},
        {"00000000-0000-4000-8000-000000000002", "8", 2000, 0},
        {"00000000-0000-4000-8000-000000000003", "NULL", 2000, 0},
        {"00000000-0000-4000-8000-000000000004", "7", 1000, 3},
        {"00000000-0000-0000-8000-000000000005", "8", 1000, 0},
        {"00000000-0000-4000-8000-000000000001", "7", 2000, 1},
    };
    pg_run(i->member[0],
           "SELECT postbus_inbox.set_aside(1, 1, 0, 4, gen_random_uuid(), 7, NULL, NULL, 'k', 'v', "
           "'{}', '{}', 0, false, 0, 0, 'first')");
    pg_run(i->admin, "UPDATE postbus_inbox.source SET horizon_ms = 1500");
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        assert_int_equal(
            pg_number(i->member[0], form[of_one], cases[k].identity, cases[k].record_ms, cases[k].queue),
            cases[k].state);
}

/* The member has looked, and is held up before it writes; meanwhile the leaf is left, since nobody can know of it. */
static void a_claim_that_looked_before_the_inbox_turned_begins_again(void **state)
{
    inbox *i = *state;
    char sqlstate[6], value[8];
    make_it_time(i);
    PGconn *holder = pg_fixture_connect(stage_server, "billing", NULL);
    pg_run(holder, "BEGIN");
    pg_run(holder, "LOCK TABLE postbus_inbox.inbox_0 IN SHARE MODE");
    pg_run(i->member[0], "BEGIN");
    send_and_see_it_wait(i, i->member[0], claim(1));
    rotate_until(i, "opened");
    pg_run(holder, "COMMIT");
    PQfinish(holder);
    take_answer(i->member[0], sqlstate, value, sizeof value);
    assert_string_equal(sqlstate, "40001");
    pg_run(i->member[0], "ROLLBACK; BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(1)), 0);
    pg_run(i->member[0], "COMMIT");
    pg_expect(i->admin, "1", "SELECT string_agg(leaf::text, ',') FROM postbus_inbox.inbox");
}

static void one_record_of_the_future_makes_no_dead_letters_of_what_comes(void **state)
{
    inbox *i = *state;
    pg_run(i->member[0], "%s", claim(1));
    pg_run(i->member[0], "%s", claim(2));
    pg_run(i->admin, "UPDATE postbus_inbox.inbox SET record_ms = 4102444800000 WHERE kafka_offset = 1");
    for (int k = 0; k < 4; k++)
        open_next_leaf(i);
    assert_int_equal(pg_number(i->admin, "SELECT count(*) FROM postbus_inbox.inbox"), 0);
    assert_int_equal(
        pg_number(i->admin, "SELECT (horizon_ms BETWEEN 1 AND " NOW_MS ")::int FROM postbus_inbox.source"),
        1);
    assert_int_equal(pg_number(i->member[0], "%s", claim(3)), 0);
}

/* Rotation is held up in the middle of what it reads; events are claimed all the same. */
static void nobody_waits_while_the_oldest_leaf_is_read(void **state)
{
    inbox *i = *state;
    char sqlstate[6], value[16];
    pg_run(i->member[0], "%s", claim(1));
    for (int k = 0; k < 3; k++)
        open_next_leaf(i);
    make_it_time(i);
    pg_run(i->admin, "ALTER FUNCTION postbus_inbox.rotate() SET lock_timeout = 0");
    PGconn *holder = pg_fixture_connect(stage_server, "billing", NULL);
    pg_run(holder, "BEGIN");
    pg_run(holder, "SELECT FROM postbus_inbox.source FOR UPDATE");
    send_and_see_it_wait(i, i->member[0], "SELECT postbus_inbox.rotate()");
    pg_run(i->member[1], "SET lock_timeout = '1s'");
    assert_int_equal(pg_number(i->member[1], "%s", claim(2)), 0);
    pg_run(holder, "COMMIT");
    PQfinish(holder);
    take_answer(i->member[0], sqlstate, value, sizeof value);
    assert_string_equal(value, "emptied");
}

static void what_a_handler_committed_by_itself_is_taken_by_nobody_else(void **state)
{
    static const char *const take = "SELECT coalesce(max((event).n), 0) FROM postbus_inbox.waiting w, "
                                    "postbus_inbox.take(w.n)";
    inbox *i = *state;
    pg_run(i->member[0],
           "SELECT postbus_inbox.set_aside(1, 1, 0, 5, gen_random_uuid(), 7, NULL, NULL, 'k', 'v', "
           "'{}', '{}', 0, false, 0, 0, 'first')");
    pg_run(i->member[0], "BEGIN");
    int64_t n = pg_number(i->member[0], "%s", take);
    assert_int_not_equal(n, 0);
    pg_run(i->member[0], "ROLLBACK");
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", take), n);
    pg_run(i->member[0], "COMMIT");
    assert_int_equal(pg_number(i->member[1], "%s", take), 0);
    pg_expect(i->member[0], "t",
              "SELECT postbus_inbox.failed(%lld, 2, NULL, 'transaction_ended', 0, 'it was committed')",
              (long long)n);
    assert_int_equal(pg_number(i->admin, "SELECT count(*) FROM postbus_inbox.dead"), 1);
    assert_int_equal(pg_number(i->admin, "SELECT count(*) FROM postbus_inbox.waiting"), 0);
}

/* A handler that takes long keeps the lock of its claim; once the leaf is long overdue that is not waited for. */
static void a_leaf_that_is_always_read_is_emptied_all_the_same(void **state)
{
    inbox *i = *state;
    pg_run(i->member[0], "%s", claim(1));
    for (int k = 0; k < 3; k++)
        open_next_leaf(i);
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(2)), 0);
    pg_run(i->admin, "UPDATE postbus_inbox.rotation SET opened_at = now() - retention * 0.4");
    pg_expect(i->admin, "busy", "SELECT postbus_inbox.rotate()");
    make_it_time(i);
    pg_expect(i->admin, "thinned", "SELECT postbus_inbox.rotate()");
    assert_int_equal(pg_number(i->admin, "SELECT count(*) FROM postbus_inbox.inbox"), 0);
    assert_int_equal(pg_number(i->admin, "SELECT count(horizon_ms) FROM postbus_inbox.source"), 1);
    pg_expect(i->admin, "announced", "SELECT postbus_inbox.rotate()");
    pg_run(i->member[0], "COMMIT");
    rotate_until(i, "opened");
    assert_int_equal(pg_number(i->member[1], "%s", claim(2)), 1);
}

/* An application may publish and subscribe in one database. */
static void the_outboxs_retention_does_not_hold_up_the_inbox(void **state)
{
    inbox *i = *state;
    pg_run(i->admin, "BEGIN");
    pg_run(i->admin, "SELECT pg_advisory_xact_lock(%lld)", SQL_LOCK_RETENTION);
    pg_expect(i->member[0], "current", "SELECT postbus_inbox.rotate()");
    pg_run(i->admin, "SELECT pg_advisory_xact_lock(%lld)", SQL_LOCK_ROTATE);
    pg_expect(i->member[0], "busy", "SELECT postbus_inbox.rotate()");
    pg_run(i->admin, "COMMIT");
}

/* A session as a lane of a subscription has it. */
static void name_lane(PGconn *conn, const char *subscription)
{
    pg_run(conn, "SET application_name = 'postbus 0000000%c lane %s'", subscription[0], subscription);
}

static int64_t claim_of_key(PGconn *conn, int n)
{
    return pg_number(
        conn,
        "SELECT state FROM postbus_inbox.claim(1, ARRAY[1], "
        "ARRAY['00000000-0000-4000-8000-%012d'::uuid], ARRAY[0], ARRAY[%d::bigint], ARRAY[" NOW_MS
        "], ARRAY[7::bigint])",
        n, n);
}

#define PICK "SELECT count(*) FROM postbus_inbox.pick_due(1, 'member', NULL)"

static bool is_picked(void *arg)
{
    const inbox *i = arg;
    return pg_number(i->member[1], PICK) == 1;
}

static void make_dead_letter_of(PGconn *conn, int n)
{
    pg_run(conn,
           "SELECT postbus_inbox.bury(1, 1, 0, %d, '00000000-0000-4000-8000-%012d', 7, NULL, 't', 'k', 'v', "
           "'{}', '{}', " NOW_MS ", 'rejected', 'no')",
           n, n);
}

/* As a handler's transaction does it. */
static void make_dead_letter(inbox *i, int n)
{
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(claim_of_key(i->member[0], n), 0);
    make_dead_letter_of(i->member[0], n);
    pg_run(i->member[0], "COMMIT");
}

static void a_redriven_event_waits_for_what_is_being_handled(void **state)
{
    inbox *i = *state;
    name_lane(i->member[0], "shop.main");
    name_lane(i->member[1], "shop.main");
    make_dead_letter(i, 1);
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(claim_of_key(i->member[0], 2), 0);
    assert_int_equal(pg_number(i->admin, "SELECT postbus_inbox.redrive()"), 1);
    assert_int_equal(pg_number(i->member[1], PICK), 0);
    pg_run(i->admin, "UPDATE postbus_inbox.waiting SET due_at = clock_timestamp()");
    assert_int_equal(pg_number(i->member[1], PICK), 0); /* and as often as anybody looks */
    pg_run(i->member[0], "COMMIT");
    assert_int_equal(claim_of_key(i->member[0], 3), 2);
    assert_true(wait_until(is_picked, i, 60000));
}

/* Those of another subscription, and those that came later and know of it, may take as long as they like. */
static void a_redriven_event_waits_for_nothing_else(void **state)
{
    inbox *i = *state;
    name_lane(i->member[1], "shop.main");
    make_dead_letter(i, 1);
    name_lane(i->member[0], "other.main");
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(2)), 0);
    assert_int_equal(pg_number(i->admin, "SELECT postbus_inbox.redrive()"), 1);
    assert_int_equal(pg_number(i->member[1], PICK), 1);
    pg_run(i->member[0], "COMMIT");
    PGconn *early = pg_fixture_connect(stage_server, "billing", "billing_app");
    name_lane(early, "shop.main");
    name_lane(i->member[0], "shop.main");
    pg_run(i->admin, "UPDATE postbus_inbox.waiting SET beside = '{}'");
    pg_run(early, "BEGIN");
    assert_int_equal(pg_number(early, "%s", claim(3)), 0);
    assert_int_equal(pg_number(i->member[1], PICK), 0);
    pg_run(i->member[0], "BEGIN");
    assert_int_equal(pg_number(i->member[0], "%s", claim(4)), 0);
    pg_run(early, "ROLLBACK");
    assert_true(wait_until(is_picked, i, 60000));
    pg_run(i->member[0], "ROLLBACK");
    PQfinish(early);
}

#define ASIDE(subscription, source, n, queue)                                                                \
    "SELECT postbus_inbox.set_aside(" subscription ", " source ", 0, " n                                     \
    ", '00000000-0000-4000-8000-00000000000" n "', " queue ", NULL, 't', 'k', 'v', '{}', '{}', " NOW_MS      \
    ", false, 0, 0, 'no')"
#define IS_DUE "SELECT count(*) FROM postbus_inbox.waiting WHERE subscription = %d AND due_at IS NOT NULL"

static char *census_of(inbox *i, const char *subscription)
{
    const char *params[] = {subscription};
    PGresult *row =
        PQexecParams(i->member[0], subscriber_sql_query("census"), 1, NULL, params, NULL, NULL, 0);
    static char text[80];
    assert_int_equal(PQresultStatus(row), PGRES_TUPLES_OK);
    snprintf(text, sizeof text, "%s %s", PQgetvalue(row, 0, 1), PQgetvalue(row, 0, 3));
    PQclear(row);
    return text;
}

/* Promise E4. The other one reads the same topic, and has keys of the same hash. */
static void subscriptions_of_one_application_see_nothing_of_one_another(void **state)
{
    inbox *i = *state;
    PGconn *m = i->member[0];
    pg_run(i->admin, "SELECT postbus_inbox.subscribe('shop', '[{\"key\": \"main\", \"topics\": [\"orders\"], "
                     "\"filter\": null, "
                     "\"options\": {}}, {\"key\": \"other\", \"topics\": [\"orders\"], \"filter\": null, "
                     "\"options\": {}}]')");
    pg_expect(i->admin, "1 main 1 orders, 3 other 2 orders",
              "SELECT string_agg(concat_ws(' ', s.id, s.key, o.id, o.topic), ', ' ORDER BY s.id)"
              " FROM postbus_inbox.subscription s JOIN postbus_inbox.source o ON o.subscription = s.id");
    pg_run(m, ASIDE("1", "1", "1", "7"));
    pg_run(m, ASIDE("1", "1", "2", "7"));
    assert_int_equal(pg_number(m, "SELECT postbus_inbox.is_queued(1, 7)::int"), 1);
    assert_int_equal(pg_number(m, "SELECT postbus_inbox.is_queued(3, 7)::int"), 0);
    make_dead_letter_of(m, 9);
    assert_string_equal(census_of(i, "{1}"), "2 1");
    assert_string_equal(census_of(i, "{3}"), "0 0");
    static const int handled[] = {1, 2, 9, 10};
    for (size_t k = 0; k < sizeof handled / sizeof *handled; k++) {
        assert_int_equal(pg_number(m, "%s", claim(handled[k])), 0);
        assert_int_equal(pg_number(m, "%s", claim(handled[k])), 1);
    }
    /* What the first has handled, has dead or has waiting is new to the second, and goes ahead. */
    for (int n = 1; n <= 9; n += 8) {
        assert_int_equal(
            pg_number(m,
                      "SELECT state FROM postbus_inbox.claim(3, '{2}', "
                      "ARRAY['00000000-0000-4000-8000-%012d'::uuid], '{0}', '{%d}', ARRAY[" NOW_MS
                      "], '{7}')",
                      n, n),
            0);
        assert_int_equal(pg_number(m,
                                   "SELECT state FROM postbus_inbox.claim_one(3, 2, "
                                   "'00000000-0000-4000-8000-%012d', 0, %d, " NOW_MS ", 7)",
                                   n + 1, n + 1),
                         0);
    }
    assert_int_equal(pg_number(m, "SELECT count(*) FROM postbus_inbox.pick_due(3, 'member', NULL)"), 0);
    assert_int_equal(pg_number(m, PICK), 1);
    /* The end of a waiting event lets the next one of its own subscription go. */
    pg_run(m, ASIDE("3", "2", "5", "7"));
    pg_run(m, ASIDE("3", "2", "6", "7"));
    assert_int_equal(pg_number(m, IS_DUE, 1), 1);
    assert_int_equal(pg_number(m, IS_DUE, 3), 1);
    pg_run(m,
           "SELECT postbus_inbox.leave((SELECT min(n) FROM postbus_inbox.waiting WHERE subscription = 3))");
    assert_int_equal(pg_number(m, IS_DUE, 3), 1);
    pg_run(m,
           "SELECT postbus_inbox.leave((SELECT min(n) FROM postbus_inbox.waiting WHERE subscription = 1))");
    assert_int_equal(pg_number(m, IS_DUE, 1), 1);
    assert_string_equal(census_of(i, "{1}"), "1 1");
    assert_string_equal(census_of(i, "{3}"), "1 0");
    /* Dead letters are chosen by their subscription. */
    assert_int_equal(
        pg_number(i->admin,
                  "SELECT count(*) FROM postbus_inbox.chosen('shop', 'other', NULL, NULL, NULL, NULL)"),
        0);
    assert_int_equal(
        pg_number(i->admin,
                  "SELECT count(*) FROM postbus_inbox.chosen('shop', 'main', NULL, NULL, NULL, NULL)"),
        1);
    assert_int_equal(pg_number(i->admin, "SELECT postbus_inbox.redrive('shop', 'other')"), 0);
    assert_string_equal(census_of(i, "{1}"), "1 1");
    assert_int_equal(pg_number(i->admin, "SELECT postbus_inbox.redrive('shop', 'main')"), 1);
    assert_string_equal(census_of(i, "{1}"), "2 0");
    assert_string_equal(census_of(i, "{3}"), "1 0");
}

/* Without a source its partitions could not be placed, nor, in the same statement, any other of the subscription. */
static void a_lower_version_of_a_list_can_read_the_topics_that_it_names(void **state)
{
    inbox *i = *state;
    static const char lower[] =
        "SELECT count(*) FROM postbus_inbox.subscribe('shop', '[{\"key\": \"main\", \"topics\": [\"orders\", "
        "\"bills\"], \"filter\": null, \"options\": {}}]', 4) WHERE holds";
    pg_run(i->admin, "UPDATE postbus_inbox.subscription SET list_version = 5");
    assert_int_equal(pg_number(i->member[0], "%s", lower), 1);
    pg_expect(i->admin, "{orders} 5",
              "SELECT concat(topics, ' ', list_version) FROM postbus_inbox.subscription");
    pg_expect(i->admin, "bills orders",
              "SELECT string_agg(topic, ' ' ORDER BY topic) FROM postbus_inbox.source");
    pg_run(i->admin, "SELECT postbus_inbox.unsubscribe('shop')");
    pg_run(i->admin, "DELETE FROM postbus_inbox.source WHERE topic = 'bills'");
    assert_int_equal(pg_number(i->member[0], "%s", lower), 0);
    assert_int_equal(pg_number(i->admin, "SELECT count(*) FROM postbus_inbox.source"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM_TEST(a_leaf_is_not_left_before_all_know_the_next_one),
        CLAIM_TEST(a_claim_that_looked_before_the_inbox_turned_begins_again),
        CLAIM_TEST(what_one_claims_in_the_old_leaf_the_other_finds_in_the_new_one),
        CLAIM_TEST(what_is_in_the_new_leaf_is_not_claimed_by_who_knows_both),
        CLAIM_TEST(a_claim_tells_what_waits_and_what_is_forgotten),
        INBOX_TEST(one_record_of_the_future_makes_no_dead_letters_of_what_comes),
        INBOX_TEST(nobody_waits_while_the_oldest_leaf_is_read),
        INBOX_TEST(what_a_handler_committed_by_itself_is_taken_by_nobody_else),
        INBOX_TEST(a_leaf_that_is_always_read_is_emptied_all_the_same),
        INBOX_TEST(a_redriven_event_waits_for_what_is_being_handled),
        INBOX_TEST(a_redriven_event_waits_for_nothing_else),
        INBOX_TEST(a_lower_version_of_a_list_can_read_the_topics_that_it_names),
        INBOX_TEST(subscriptions_of_one_application_see_nothing_of_one_another),
        INBOX_TEST(the_outboxs_retention_does_not_hold_up_the_inbox),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
