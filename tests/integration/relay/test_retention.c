/* The relay cleans up behind itself: what is published and old goes, nothing else does, and no event is lost by how room is made. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_WRITERS = 6, N_EACH = 1000 };

#define KEPT_FOR(ms) "--retention-ms", ms, "--retention-check-ms", "20"

/* ---- going on publishing until something holds ---- */

typedef struct flow {
    const outbox *o;
    const char *sql;
} flow;

static bool publish_and_ask(void *arg)
{
    const flow *f = arg;
    publish(f->o->conn, f->o->topic, "flow", 1);
    return pg_number(f->o->conn, "%s", f->sql) > 0;
}

static void publish_until(const outbox *o, const char *sql)
{
    flow f = {o, sql};
    if (!wait_until(publish_and_ask, &f, SOON_MS))
        fail_msg("never came true: %s", sql);
}

typedef struct listening {
    const outbox *o;
    proc_fixture *relay;
    const char *text;
} listening;

static bool publish_and_listen(void *arg)
{
    const listening *l = arg;
    publish(l->o->conn, l->o->topic, "flow", 1);
    return proc_fixture_wait_log(l->relay, l->text, 1);
}

static void publish_until_log(const outbox *o, proc_fixture *relay, const char *text)
{
    listening l = {o, relay, text};
    if (!wait_until(publish_and_listen, &l, SOON_MS))
        proc_fixture_expect_log(relay, text, 1);
}

/* ---- writers that run on their own, in the server ---- */

typedef struct writers {
    const outbox *o;
    PGconn *conns[N_WRITERS];
    const char *meanwhile; /* asked again and again while they write; NULL: nothing */
} writers;

/* Each writes the values from + 1, from + 2 … of its own key, three to a commit, some of them a second time and rolled back. */
static void writers_start(writers *w, const outbox *o, int from)
{
    char sql[600];
    w->o = o;
    for (int i = 0; i < N_WRITERS; i++) {
        if (!w->conns[i])
            w->conns[i] = outbox_connect(o);
        snprintf(sql, sizeof sql,
                 "DO $$ BEGIN FOR i IN %d..%d LOOP PERFORM postbus.publish('%s', i::text, 'k%d'); IF i %% 3 "
                 "= 0 THEN COMMIT; "
                 "IF i %% 10 = 0 THEN PERFORM postbus.publish('%s', 'never', 'k%d'); ROLLBACK; END IF; END "
                 "IF; END LOOP; END $$",
                 from + 1, from + N_EACH, o->topic, i, o->topic, i);
        assert_int_equal(PQsendQuery(w->conns[i], sql), 1);
    }
}

static bool writers_are_done(void *arg)
{
    writers *w = arg;
    bool done = true;
    if (w->meanwhile)
        pg_run(w->o->conn, "%s", w->meanwhile);
    for (int i = 0; i < N_WRITERS; i++) {
        assert_int_equal(PQconsumeInput(w->conns[i]), 1);
        done &= !PQisBusy(w->conns[i]);
    }
    return done;
}

static void writers_finish_round(writers *w)
{
    assert_true(wait_until(writers_are_done, w, SOON_MS));
    for (int i = 0; i < N_WRITERS; i++) {
        PGresult *res;
        while ((res = PQgetResult(w->conns[i]))) {
            assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
            PQclear(res);
        }
    }
}

static void writers_done(writers *w)
{
    for (int i = 0; i < N_WRITERS; i++)
        PQfinish(w->conns[i]);
}

/* The rows may be gone: the topic must have each key's values from 1 on, once and in order. */
static void expect_counts_in_topic(const outbox *o, int n_each)
{
    int last[N_WRITERS] = {0};
    topic_records records =
        topic_read(kafka_fixture_brokers(stage_kafka), o->topic, (size_t)(n_each * N_WRITERS), SOON_MS);
    for (size_t i = 0; i < records.n_rows; i++) {
        const topic_record *r = &records.rows[i];
        if (!r->key || r->key[0] != 'k')
            continue;
        int *n = &last[atoi(r->key + 1)];
        if (atoi(r->value) != *n + 1) {
            tell_progress(o);
            fail_msg("%s: value %s came after %d, with the id %s", r->key, r->value, *n,
                     topic_record_header(r, "id"));
        }
        (*n)++;
    }
    for (int i = 0; i < N_WRITERS; i++)
        assert_int_equal(last[i], n_each);
    topic_records_done(&records);
}

/* ---- the tests ---- */

/* Writers and one long transaction, with ids of every leaf between: whatever was drawn before a jump arrives, in order, after it. */
static void concurrent_writers_lose_nothing_when_the_sequence_jumps_ahead(void **state)
{
    (void)state;
    static const char *const flags[] = {"--retention-ms", "0", "--page-rows", "50", NULL};
    outbox *o = outbox_new();
    PGconn *slow = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, flags);
    writers w = {.meanwhile = "SELECT postbus.close_leaf('0 s') FROM postbus.outbox_id_seq s WHERE "
                              "s.last_value & 1073741823 > 350"};
    pg_run(slow, "BEGIN");
    publish(slow, o->topic, "slow", 10);
    for (int round = 0; round < 2; round++) {
        writers_start(&w, o, round * N_EACH);
        publish(slow, o->topic, "slow", 10);
        writers_finish_round(&w);
    }
    publish(slow, o->topic, "slow", 10);
    pg_run(slow, "COMMIT");
    expect_drained(o);
    assert_in_range(pg_number(o->conn, "SELECT count(DISTINCT id >> 30) FROM postbus.outbox"), 10, 16);
    expect_each_arrived_once(o, o->topic);
    writers_done(&w);
    PQfinish(slow);
    relay_stop(relay);
    outbox_free(o);
}

static void leaves_are_closed_and_emptied_under_writers_and_nothing_is_lost(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("200"), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    writers w = {0};
    int n_each = 0;
    do {
        writers_start(&w, o, n_each);
        writers_finish_round(&w);
        n_each += N_EACH;
    } while (n_each < 60 * N_EACH &&
             pg_number(o->conn, "SELECT count(*) FROM postbus.leaf WHERE checked_id > 0") < 4);
    assert_in_range(pg_number(o->conn, "SELECT count(*) FROM postbus.leaf WHERE checked_id > 0"), 4, 16);
    expect_drained(o);
    expect_counts_in_topic(o, n_each);
    writers_done(&w);
    relay_stop(relay);
    outbox_free(o);
}

static void what_is_published_and_old_goes_with_its_receipts_and_progress(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 100);
    proc_fixture_expect_log(relay, "retention.closed leaf=0 next_leaf=1", SOON_MS);
    publish_until_log(o, relay, "retention.cleared leaf=0");
    assert_int_equal(pg_number(o->conn,
                               "SELECT (SELECT count(*) FROM postbus.outbox_0) + (SELECT count(*) FROM "
                               "postbus.receipt_0) + (SELECT count(*) FROM postbus.progress_0)"),
                     0);
    publish(o->conn, o->topic, "k", 1);
    expect_drained(o);
    relay_stop(relay);
    outbox_free(o);
}

/* What grows with events is appended to and truncated, and nothing else: vacuum has nothing to remove. The statistics come late, hence the waiting. */
#define GROWS_WITH_EVENTS "schemaname = 'postbus' AND relname ~ '^(outbox|receipt|progress|leadership)'"
static void events_come_and_go_without_a_dead_row(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish_until_log(o, relay, "retention.cleared leaf=0");
    for (int i = 0; i < 5; i++) {
        publish(o->conn, o->topic, NULL, 100);
        expect_drained(o);
    }
    relay_stop(relay);
    PQfinish(o->conn); /* a session's end sends the last of its statistics */
    o->conn = outbox_connect(o);
    expect_sql(o->conn,
               "SELECT (sum(n_tup_ins) FILTER (WHERE relname ~ '^outbox') >= (SELECT published FROM "
               "postbus.current_progress) AND sum(n_tup_ins) FILTER (WHERE relname ~ '^receipt') > 0 "
               "AND sum(n_tup_ins) FILTER (WHERE relname ~ '^progress') > 0)::int FROM "
               "pg_stat_user_tables WHERE " GROWS_WITH_EVENTS);
    pg_expect(
        o->conn, NULL,
        "SELECT string_agg(format('%%s: %%s updated, %%s deleted, %%s dead', relname, n_tup_upd, n_tup_del, "
        "n_dead_tup), '; ') FROM pg_stat_user_tables WHERE n_tup_upd + n_tup_del + n_dead_tup > 0 AND "
        "" GROWS_WITH_EVENTS);
    outbox_free(o);
}

static void without_receipts_the_progress_decides(void **state)
{
    (void)state;
    static const char *const flags[] = {"--receipts", "false", KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 100);
    publish_until_log(o, relay, "retention.cleared leaf=0");
    relay_stop(relay);
    outbox_free(o);
}

/* An open transaction that has drawn its ids and not committed: the leaf waits for it, however old its rows are. */
static void an_old_open_transaction_keeps_the_leaf(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    PGconn *slow = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, flags);
    pg_run(slow, "BEGIN");
    publish(slow, o->topic, "slow", 1);
    publish(o->conn, o->topic, "k", 10);
    publish_until(o, "SELECT (last_value >> 30 >= 3)::int FROM postbus.outbox_id_seq");
    assert_int_equal(pg_number(o->conn, "SELECT (count(*) >= 10)::int FROM postbus.outbox_0"), 1);
    pg_run(slow, "COMMIT");
    publish_until_log(o, relay, "retention.cleared leaf=0");
    relay_stop(relay);
    PQfinish(slow);
    outbox_free(o);
}

static void a_forged_gap_keeps_the_leaf_and_is_reported(void **state)
{
    (void)state;
    static const char *const keeps[] = {"--retention-ms", "0", NULL};
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, keeps);
    publish(o->conn, o->topic, "k", 100);
    expect_drained(o);
    relay_stop(relay);
    pg_run(o->conn, "UPDATE postbus.receipt SET ids = array_remove(ids, 42::bigint) WHERE 42 = ANY (ids)");
    relay = relay_start_leading(o, flags);
    publish_until_log(o, relay, "retention.refused leaf=0");
    publish_until_log(o, relay, "retention.cleared leaf=1");
    char *log = proc_fixture_log(relay);
    assert_non_null(strstr(log, "missing=1 first_id=42"));
    assert_null(strstr(log, "retention.cleared leaf=0"));
    char *first = strstr(log, "retention.refused");
    assert_null(strstr(first + 1, "retention.refused leaf=0")); /* said once, not each time it looks */
    free(log);
    assert_int_equal(pg_number(o->conn, "SELECT (count(*) >= 100)::int FROM postbus.outbox_0"), 1);
    relay_stop(relay);
    outbox_free(o);
}

static void parked_events_outlive_the_leaf_and_arrive_later(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    static const char *const keeps[] = {"--retention-ms", "0", NULL};
    outbox *o = outbox_new();
    char *missing = kafka_fixture_new_name("missing");
    proc_fixture *relay = relay_start_leading(o, flags);
    pg_run(o->conn, "BEGIN"); /* all in one leaf */
    for (int i = 0; i < 10; i++) {
        publish(o->conn, missing, i % 2 ? "odd" : "even", 2);
        publish(o->conn, o->topic, "k", 10);
    }
    pg_run(o->conn, "COMMIT");
    publish_until_log(o, relay, "retention.cleared leaf=0");
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.outbox_0"), 20);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.event WHERE state = 'parked'"), 20);
    relay_kill(relay);
    relay = relay_start_leading(o, keeps);
    kafka_fixture_create_topic(stage_kafka, missing, 1, NULL);
    expect_drained(o);
    expect_each_arrived_once(o, missing);
    relay_stop(relay);
    free(missing);
    outbox_free(o);
}

static void a_reader_delays_the_leaf_and_no_publisher(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), "--log-level", "debug", NULL};
    outbox *o = outbox_new();
    PGconn *reader = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 10);
    pg_run(reader, "BEGIN; SELECT count(*) FROM postbus.event");
    pg_run(o->conn, "SET lock_timeout = '1s'");
    publish_until_log(o, relay, "retention.busy leaf=0");
    expect_drained(o);
    pg_run(reader, "COMMIT");
    publish_until_log(o, relay, "retention.cleared leaf=0");
    relay_stop(relay);
    PQfinish(reader);
    outbox_free(o);
}

static void only_the_leader_removes(void **state)
{
    (void)state;
    static const char *const keeps[] = {"--retention-ms", "0", NULL};
    static const char *const flags[] = {KEPT_FOR("10"), "--leader-retry-ms", "10", NULL};
    outbox *o = outbox_new();
    proc_fixture *leader = relay_start_leading(o, keeps);
    proc_fixture *waiting = relay_start(o, flags);
    proc_fixture_expect_log(waiting, "leader.waiting", SOON_MS);
    for (int i = 0; i < 300; i++)
        publish(o->conn, o->topic, "k", 1);
    expect_drained(o);
    assert_int_equal(pg_number(o->conn, "SELECT last_value FROM postbus.outbox_id_seq"), 300);
    relay_stop(leader);
    publish_until_log(o, waiting, "retention.cleared leaf=0");
    relay_stop(waiting);
    outbox_free(o);
}

/* No room for a second session, or a schema of an older version: the relay says so and goes on publishing. */
static void a_look_that_fails_costs_the_relay_nothing(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    pg_run(o->conn, "ALTER ROLE relay CONNECTION LIMIT 1");
    proc_fixture *relay = relay_start_leading(o, flags);
    publish_until_log(o, relay, "retention.failed");
    expect_drained(o);
    relay_stop(relay);
    pg_run(
        o->conn,
        "ALTER ROLE relay CONNECTION LIMIT -1; ALTER FUNCTION postbus.close_leaf(interval) RENAME TO away");
    relay = relay_start_leading(o, flags);
    publish_until_log(o, relay, "run `postbus migrate`");
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

static void a_leaf_that_fails_keeps_no_other_from_being_emptied(void **state)
{
    (void)state;
    static const char *const flags[] = {KEPT_FOR("100"), NULL};
    outbox *o = outbox_new();
    pg_run(o->conn, "ALTER TABLE postbus.receipt_0 RENAME TO away");
    proc_fixture *relay = relay_start_leading(o, flags);
    publish_until_log(o, relay, "retention.failed leaf=0");
    publish_until_log(o, relay, "retention.cleared leaf=1");
    pg_run(o->conn, "ALTER TABLE postbus.away RENAME TO receipt_0");
    publish_until_log(o, relay, "retention.cleared leaf=0");
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concurrent_writers_lose_nothing_when_the_sequence_jumps_ahead),
        cmocka_unit_test(leaves_are_closed_and_emptied_under_writers_and_nothing_is_lost),
        cmocka_unit_test(what_is_published_and_old_goes_with_its_receipts_and_progress),
        cmocka_unit_test(events_come_and_go_without_a_dead_row),
        cmocka_unit_test(without_receipts_the_progress_decides),
        cmocka_unit_test(an_old_open_transaction_keeps_the_leaf),
        cmocka_unit_test(a_forged_gap_keeps_the_leaf_and_is_reported),
        cmocka_unit_test(parked_events_outlive_the_leaf_and_arrive_later),
        cmocka_unit_test(a_reader_delays_the_leaf_and_no_publisher),
        cmocka_unit_test(only_the_leader_removes),
        cmocka_unit_test(a_look_that_fails_costs_the_relay_nothing),
        cmocka_unit_test(a_leaf_that_fails_keeps_no_other_from_being_emptied),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
