/* A handler that gets many events at once: what it sees, and what becomes of each where it fails them all. What holds with every handler is in
 * test_batch.c. */
#include "stage.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { N_EVENTS = 300, BATCH_SIZE = 100 };

/* A handler that does as it is told, and what it saw. */
typedef struct watched {
    stage *s;
    bool spoils; /* an event that is bad spoils those beside it, and is good at its own second attempt */
    int slow_ms; /* how long a bad one takes among others */
    int each_ms; /* how long each event takes */
    int n_calls, n_spoilt;
    size_t most; /* events of a call, at most */
    bool unlike; /* events of a call did not belong together */
} watched;

static void take(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* The last bad event of a call; NULL: there is none. */
static const pbus_delivery *look_at(watched *w, const pbus_delivery *const *events, size_t n)
{
    const pbus_delivery *bad = NULL;
    w->n_calls++;
    w->most = n > w->most ? n : w->most;
    for (size_t i = 0; i < n; i++) {
        const pbus_delivery *e = events[i];
        if (strstr(e->value, ":bad"))
            bad = e;
        if (strcmp(e->subscription, "main") != 0 || strcmp(e->application, w->s->topic) != 0 ||
            e->deadline_ms != events[0]->deadline_ms || (n > 1 && e->attempt != 1))
            w->unlike = true;
    }
    w->n_spoilt += bad && n > 1;
    return bad;
}

static pbus_outcome handle(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg)
{
    watched *w = arg;
    const pbus_delivery *bad = look_at(w, events, n);
    if (n == 1 && strncmp(events[0]->value, "wait", 4) == 0)
        return stage_gated(events[0], tx, w->s);
    pbus_outcome outcome = stage_copy(events, n, tx, w->s);
    take(w->each_ms * (int)n);
    if (bad && n > 1)
        take(w->slow_ms);
    if (!w->spoils || !bad || bad->attempt > 1)
        return outcome;
    if (n == 1)
        return pbus_retry("alone", 0);
    return strstr(bad->value, ":bad dead") ? pbus_dead("in company") : pbus_retry("in company", 3600000);
}

static pbus_subscription watched_subscription(watched *w)
{
    pbus_subscription sub = stage_subscription(w->s, NULL);
    sub.batch_handler = handle;
    sub.arg = w;
    sub.batch_size = BATCH_SIZE;
    sub.n_threads = 1;
    return sub;
}

/* The first event waits until all the others are there, so that these are handled in batches. Some of those in the midst are bad, of keys of their own. */
static void start_with_all(stage *s, const pbus_subscription *sub, const char *const *bad, int n_bad)
{
    stage_produce(s->topic, "k0", "wait:0", NULL, NULL);
    stage_start(s, sub, 1);
    stage_expect_at_gate(s);
    for (int i = 1; i < N_EVENTS; i++) {
        char key[16], value[48];
        int which = i / 20 - 7;
        bool is_bad = i % 20 == 0 && which >= 0 && which < n_bad;
        snprintf(key, sizeof key, "%s%d", is_bad ? "b" : "k", is_bad ? which : i % 3);
        snprintf(value, sizeof value, "%s:%d%s", key, i, is_bad ? bad[which] : "");
        stage_produce_one(s->topic, key, value, NULL, NULL);
    }
    stage_produce_flush();
    stage_expect_queued(s, N_EVENTS);
    stage_open_gate(s);
}

static pbus_worker_counts stop_and_count(stage *s)
{
    pbus_worker_counts counts;
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    stage_stop(s);
    return counts;
}

static void one_call_has_all_events_of_its_transaction(void **state)
{
    watched w = {.s = *state};
    pbus_subscription sub = watched_subscription(&w);
    start_with_all(w.s, &sub, NULL, 0);
    stage_expect_settled(w.s, N_EVENTS);
    stage_expect_exactly(w.s, N_EVENTS);
    pbus_worker_counts counts = stop_and_count(w.s);
    assert_int_equal(counts.n_handled, N_EVENTS);
    assert_int_equal(counts.n_attempts, N_EVENTS);
    assert_in_range(w.most, 2, BATCH_SIZE);
    assert_false(w.unlike);
    assert_int_equal(pg_number(w.s->conn, "SELECT count(DISTINCT xmin::text) FROM effect"), w.n_calls);
}

static void without_batches_each_call_has_one_event(void **state)
{
    watched w = {.s = *state};
    pbus_subscription sub = watched_subscription(&w);
    sub.batch_size = 0;
    start_with_all(w.s, &sub, NULL, 0);
    stage_expect_settled(w.s, N_EVENTS);
    stage_expect_exactly(w.s, N_EVENTS);
    assert_int_equal(stop_and_count(w.s).n_handled, N_EVENTS);
    assert_int_equal(w.most, 1);
    assert_int_equal(w.n_calls, N_EVENTS);
}

/* Whatever the handler says of many: it counts for none of them, and neither do its reason and its delay. */
static void a_verdict_on_many_is_no_attempt_of_any(void **state)
{
    static const char *const bad[] = {":bad retry", ":bad dead"};
    watched w = {.s = *state, .spoils = true};
    pbus_subscription sub = watched_subscription(&w);
    start_with_all(w.s, &sub, bad, 2);
    stage_expect_settled(w.s, N_EVENTS);
    stage_expect_exactly(w.s, N_EVENTS);
    pbus_worker_counts counts = stop_and_count(w.s);
    assert_int_equal(counts.n_handled, N_EVENTS);
    assert_int_equal(counts.n_retries, 2);
    assert_int_equal(counts.n_dead, 0);
    assert_in_range(w.n_spoilt, 1, N_EVENTS);
    assert_non_null(strstr(w.s->last_message[PBUS_NOTICE_RETRY], "again in 0 ms: alone"));
    pg_expect(w.s->conn, "b0/2 b1/2",
              "SELECT string_agg(key || '/' || attempt, ' ' ORDER BY key) FROM effect WHERE attempt > 1");
}

/* Two events that cannot both be: whichever comes later is dead, and takes no other with it. */
static void one_that_breaks_the_statement_of_all_dies_alone(void **state)
{
    static const char *const bad[] = {":bad", ":bad"};
    watched w = {.s = *state};
    pbus_subscription sub = watched_subscription(&w);
    sub.retry.max_attempts = 2;
    pg_run(w.s->conn,
           "CREATE UNIQUE INDEX once ON effect (split_part(value, ':', 3)) WHERE value LIKE '%%:bad'");
    start_with_all(w.s, &sub, bad, 2);
    stage_expect_settled(w.s, N_EVENTS);
    stage_expect_soon(w.s, 1, "SELECT count(*) FROM postbus_inbox.dead");
    stage_expect_exactly(w.s, N_EVENTS - 1);
    assert_int_equal(pg_number(w.s->conn, "SELECT max(attempt) FROM effect WHERE key LIKE 'k%%'"), 1);
    pg_expect(w.s->conn, "exhausted 2 t",
              "SELECT concat_ws(' ', reason, attempts, history::text LIKE '%%unique constraint%%once%%') "
              "FROM postbus_inbox.dead");
    assert_in_range(w.n_spoilt, 1, N_EVENTS);
}

static void a_call_that_takes_too_long_is_no_attempt_of_any(void **state)
{
    static const char *const bad[] = {":bad"};
    watched w = {.s = *state, .slow_ms = 2500};
    pbus_subscription sub = watched_subscription(&w);
    sub.time_limit_ms = 2000;
    start_with_all(w.s, &sub, bad, 1);
    stage_expect_settled(w.s, N_EVENTS);
    stage_expect_exactly(w.s, N_EVENTS);
    assert_in_range(w.n_spoilt, 1, N_EVENTS);
    assert_false(w.unlike);
    assert_true(stop_and_count(w.s).n_attempts >= N_EVENTS + 2); /* once together, and each that was again */
    assert_int_equal(
        pg_number(w.s->conn, "SELECT count(*) FROM effect WHERE attempt > 1 AND value NOT LIKE 'wait%%'"), 0);
}

/* Four take a fifth of the limit at least, eight two fifths: more than that are never tried. */
static void batches_stay_well_below_the_time_limit(void **state)
{
    watched w = {.s = *state, .each_ms = 5};
    pbus_subscription sub = watched_subscription(&w);
    sub.time_limit_ms = 100;
    sub.retry.max_attempts = -1;
    start_with_all(w.s, &sub, NULL, 0);
    stage_expect_settled(w.s, N_EVENTS);
    stage_expect_exactly(w.s, N_EVENTS);
    assert_in_range(w.most, 1, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(one_call_has_all_events_of_its_transaction),
        STAGE_TEST(without_batches_each_call_has_one_event),
        STAGE_TEST(a_verdict_on_many_is_no_attempt_of_any),
        STAGE_TEST(one_that_breaks_the_statement_of_all_dies_alone),
        STAGE_TEST(a_call_that_takes_too_long_is_no_attempt_of_any),
        STAGE_TEST(batches_stay_well_below_the_time_limit),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
