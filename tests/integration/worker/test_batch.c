/* Many events in one transaction: all that holds for one in a transaction of its own holds for them, whatever one of them does, be they given to the
 * handler one by one or all at once. */
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proc_fixture.h"

/* The same tests are two programs: in one the handler gets an event, in the other many at once, and does the same with each. */
static const bool together = POSTBUS_TEST_TOGETHER;

static pbus_handler *handle_one;

static pbus_outcome handle_each(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    pbus_outcome outcome = pbus_ack();
    for (size_t i = 0; i < n && outcome.verdict == PBUS_ACK && PQtransactionStatus(tx) == PQTRANS_INTRANS;
         i++)
        outcome = handle_one(events[i], tx, arg);
    return outcome;
}

static pbus_subscription batched(stage *s, pbus_handler *handler)
{
    pbus_subscription sub = stage_subscription(s, together ? NULL : handler);
    handle_one = handler;
    sub.batch_handler = together ? handle_each : NULL;
    sub.batch_size = 100;
    sub.n_threads = 2;
    return sub;
}

static void many_events_share_a_transaction_and_each_has_its_effect_once(void **state)
{
    stage *s = *state;
    pbus_subscription sub = batched(s, stage_insert);
    pbus_worker_counts counts;
    stage_produce_many(s->topic, 2000, 20);
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 2000);
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    stage_stop(s);
    stage_expect_exactly(s, 2000);
    assert_int_equal(counts.n_handled, 2000);
    assert_in_range(pg_number(s->conn, "SELECT count(DISTINCT xmin::text) FROM effect"), 1, 1900);
    pg_run(s->conn, "UPDATE postbus_inbox.position SET next_offset = 0");
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 2000);
    stage_expect_exactly(s, 2000);
}

/* And sends no Sync, so that the server heeds nothing that comes. */
static void fail_in_a_pipeline(PGconn *tx)
{
    PQenterPipelineMode(tx);
    PQsendQueryParams(tx, "SELECT 1 / 0", 0, NULL, NULL, NULL, NULL, 0);
    PQsendQueryParams(tx, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
    PQsendFlushRequest(tx);
    PQflush(tx);
    for (int i = 0; i < 4; i++) /* each answer, and its end */
        PQclear(PQgetResult(tx));
}

/* What the value asks for is done to the transaction of the batch, each time or the first time. */
static pbus_outcome disturbing(const pbus_delivery *event, PGconn *tx, void *arg)
{
    const char *wish = strrchr(event->value, ':') + 1;
    pbus_outcome outcome = stage_insert(event, tx, arg);
    if (strcmp(wish, "commit") == 0)
        PQclear(PQexec(tx, "COMMIT"));
    if (strcmp(wish, "commit and begin") == 0)
        PQclear(PQexec(tx, "COMMIT; BEGIN"));
    if (strcmp(wish, "poison") == 0)
        return pbus_retry("never", 0);
    if (strcmp(wish, "reject") == 0)
        return pbus_dead("no such account");
    if (event->attempt > 1)
        return outcome;
    if (strcmp(wish, "rollback") == 0)
        PQclear(PQexec(tx, "ROLLBACK; BEGIN"));
    if (strcmp(wish, "error") == 0)
        PQclear(PQexec(tx, "SELECT 1 / 0"));
    if (strcmp(wish, "unfinished") == 0)
        PQsendQuery(tx, "SELECT pg_sleep(100)");
    if (strcmp(wish, "copying") == 0)
        PQclear(PQexec(tx, "COPY promise FROM STDIN"));
    if (strcmp(wish, "sending") == 0) {
        PQenterPipelineMode(tx);
        PQsendQueryParams(tx, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
    }
    if (strcmp(wish, "flushed") == 0 || strcmp(wish, "left") == 0)
        fail_in_a_pipeline(tx);
    if (strcmp(wish, "left") == 0)
        PQexitPipelineMode(tx);
    if (strcmp(wish, "killed") == 0)
        PQclear(PQexec(tx, "SELECT pg_terminate_backend(pg_backend_pid())"));
    if (strcmp(wish, "deferred") == 0)
        PQclear(PQexec(tx, "INSERT INTO promise VALUES (1)"));
    if (strcmp(wish, "pipeline") == 0)
        PQenterPipelineMode(tx);
    if (strcmp(wish, "immediate") == 0)
        PQclear(PQexec(tx, "SET CONSTRAINTS ALL IMMEDIATE"));
    return outcome;
}

static const char *const wishes[] = {"commit",  "commit and begin", "poison",   "reject",   "rollback",
                                     "error",   "unfinished",       "killed",   "deferred", "immediate",
                                     "copying", "sending",          "pipeline", "flushed",  "left"};
enum { N_WISHES = sizeof wishes / sizeof wishes[0], N_ROUNDS = 40 };

/* A key for each wish, of which each has one event with a wish in the midst of others. Of a few rounds the wish comes last, so that it meets large batches. */
static void produce_wishes(stage *s)
{
    char key[16], value[64];
    for (int round = 1; round <= N_ROUNDS; round++)
        for (int i = 0; i < N_WISHES; i++) {
            snprintf(key, sizeof key, "k%d", i);
            snprintf(value, sizeof value, round == 10 + 2 * i ? "%s:%d:%s" : "%s:%d:well", key, round,
                     wishes[i]);
            stage_produce_one(s->topic, key, value, NULL, NULL);
        }
    stage_produce_flush();
}

static void one_that_fails_takes_no_other_with_it(void **state)
{
    stage *s = *state;
    pbus_subscription sub = batched(s, disturbing);
    sub.retry.max_attempts = 3;
    pg_run(s->conn, "CREATE TABLE kept (n int PRIMARY KEY)");
    pg_run(s->conn, "CREATE TABLE promise (n int REFERENCES kept DEFERRABLE INITIALLY DEFERRED)");
    pg_run(s->conn, "GRANT ALL ON promise TO billing_app");
    produce_wishes(s);
    stage_start(s, &sub, 1);
    stage_expect_settled(s, N_WISHES * N_ROUNDS);
    stage_expect_soon(s, 4, "SELECT count(*) FROM postbus_inbox.dead");
    pg_expect(s->conn,
              "commit/1 transaction_ended, commit and begin/1 transaction_ended, poison/3 exhausted, "
              "reject/1 rejected",
              "SELECT string_agg(concat_ws(' ', split_part(convert_from(value, 'UTF8'), ':', 3) || '/' || "
              "attempts, reason), ', ' "
              "ORDER BY value) FROM postbus_inbox.dead");
    /* What the two committed stays, and is the effect of no other. */
    stage_expect_exactly(s, N_WISHES * N_ROUNDS - 2);
    pg_expect(s->conn,
              "commit/1 commit and begin/1 rollback/2 error/2 unfinished/2 killed/2 deferred/2 immediate/1 "
              "copying/2 sending/2 pipeline/1 flushed/2 left/2",
              "SELECT string_agg(split_part(value, ':', 3) || '/' || attempt, ' ' ORDER BY substr(key, "
              "2)::int) FROM effect "
              "WHERE value NOT LIKE '%%:well'");
    assert_in_range(pg_number(s->conn, "SELECT count(DISTINCT xmin::text) FROM effect"), 1,
                    N_WISHES * N_ROUNDS - 20);
}

static pbus_outcome stubborn_once(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = stage_insert(event, tx, arg);
    return strcmp(event->value, "k0:1") == 0 && event->attempt < 3 ? pbus_retry("not yet", 1500) : outcome;
}

static void events_behind_one_that_waits_are_set_aside_in_batches(void **state)
{
    stage *s = *state;
    pbus_worker_counts counts;
    pbus_subscription sub = batched(s, stubborn_once);
    sub.n_threads = 1;
    stage_produce_many(s->topic, 600, 3);
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 600);
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    assert_int_equal(counts.n_retries >= 1, 1);
    stage_expect_soon(s, 600, "SELECT count(*) FROM effect");
    stage_expect_exactly(s, 600);
}

static void repeated_and_unreadable_events_of_a_batch_are_told_apart(void **state)
{
    stage *s = *state;
    pbus_worker_counts counts;
    const pbus_condition filter[] = {{"value:n", PBUS_TEST_PRESENT, NULL}};
    pbus_subscription sub = batched(s, stage_insert);
    sub.filter = filter;
    sub.n_conditions = 1;
    for (int i = 0; i < 300; i++) {
        char id[40], value[32];
        snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", i / 3);
        snprintf(value, sizeof value, "{\"n\": %d}", i / 3);
        stage_produce_one(s->topic, "k", i % 60 == 0 ? "no JSON" : value, NULL, i % 60 == 0 ? NULL : id);
    }
    stage_produce_flush();
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 300);
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    assert_int_equal(counts.n_handled, 100);
    assert_int_equal(counts.n_duplicates, 195);
    assert_int_equal(counts.n_dead, 5);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_DEAD), 5);
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT value) FROM effect"), 100);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 100);
    assert_int_equal(
        pg_number(s->conn,
                  "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable' AND attempts = 0"),
        5);
}

static void a_batch_that_was_abandoned_leaves_nothing(void **state)
{
    stage *s = *state;
    pbus_subscription sub = batched(s, stage_gated);
    sub.n_threads = 1;
    for (int i = 0; i < 100; i++)
        stage_produce_one(s->topic, "k", i == 60 ? "wait" : "v", NULL, NULL);
    stage_produce_flush();
    stage_start(s, &sub, 1);
    stage_expect_at_gate(s);
    int64_t n_before = pg_number(s->conn, "SELECT count(*) FROM effect");
    assert_int_equal(pbus_worker_stop(s->worker, 100, &s->err), PBUS_ERROR_BUSY);
    stage_open_gate(s);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), n_before);
    assert_in_range(n_before, 0, 59);
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 100);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 100);
    assert_int_equal(pg_number(s->conn, "SELECT max(attempt) FROM effect"), 1);
}

static proc_fixture *subject_start(stage *s)
{
    const char *argv[] = {POSTBUS_TEST_SUBJECT,
                          s->conninfo,
                          kafka_fixture_brokers(stage_kafka),
                          s->topic,
                          s->topic,
                          "100",
                          together ? "100,together" : "100",
                          NULL};
    return proc_fixture_start(argv, NULL);
}

static void wait_for_effects(stage *s, int at_least)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT least(count(*), %d) FROM effect", at_least);
    stage_expect_soon(s, at_least, sql);
}

static void killed_while_they_handle_batches_subscribers_lose_and_repeat_nothing(void **state)
{
    stage *s = *state;
    const int n = 5000;
    proc_fixture *two[2] = {NULL, NULL};
    stage_produce_many(s->topic, n, 23);
    for (int round = 0; round < 3; round++) {
        proc_fixture_free(two[round % 2]); /* SIGKILL; at first there is none */
        two[round % 2] = subject_start(s);
        wait_for_effects(s, 600 * (round + 1));
    }
    stage_expect_settled(s, n);
    stage_expect_exactly(s, n);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
    for (int i = 0; i < 2; i++)
        proc_fixture_free(two[i]);
}

static void members_that_come_and_go_change_nothing(void **state)
{
    stage *s = *state;
    const int n = 5000;
    stage_produce_many(s->topic, n, 23);
    proc_fixture *first = subject_start(s);
    wait_for_effects(s, 100);
    for (int round = 0; round < 3; round++) {
        proc_fixture *second = subject_start(s);
        proc_fixture_expect_log(second, "notice 1", STAGE_DEADLINE_MS);
        wait_for_effects(s, 300 * (round + 1));
        assert_int_equal(proc_fixture_end(second, SIGTERM, STAGE_DEADLINE_MS), 0);
        proc_fixture_free(second);
    }
    stage_expect_settled(s, n);
    stage_expect_exactly(s, n);
    assert_int_equal(proc_fixture_end(first, SIGTERM, STAGE_DEADLINE_MS), 0);
    proc_fixture_free(first);
}

/* As with a standby far away: batches are worth most then. */
static void a_slow_commit_makes_no_small_batches(void **state)
{
    stage *s = *state;
    pbus_subscription sub = batched(s, stage_insert);
    sub.n_threads = 1;
    pg_run(s->conn,
           "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
           " IF current_setting('test.lingered', true) IS DISTINCT FROM 'yes' THEN"
           " PERFORM pg_sleep(0.15), set_config('test.lingered', 'yes', true); END IF; RETURN NULL; END $$");
    pg_run(s->conn, "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
                    " FOR EACH ROW EXECUTE FUNCTION linger()");
    stage_produce_many(s->topic, 300, 5);
    stage_start(s, &sub, 1);
    stage_expect_settled(s, 300);
    stage_expect_exactly(s, 300);
    assert_in_range(pg_number(s->conn, "SELECT count(DISTINCT xmin::text) FROM effect"), 1, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(many_events_share_a_transaction_and_each_has_its_effect_once),
        STAGE_TEST(a_slow_commit_makes_no_small_batches),
        STAGE_TEST(one_that_fails_takes_no_other_with_it),
        STAGE_TEST(events_behind_one_that_waits_are_set_aside_in_batches),
        STAGE_TEST(repeated_and_unreadable_events_of_a_batch_are_told_apart),
        STAGE_TEST(a_batch_that_was_abandoned_leaves_nothing),
        STAGE_TEST(killed_while_they_handle_batches_subscribers_lose_and_repeat_nothing),
        STAGE_TEST(members_that_come_and_go_change_nothing),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
