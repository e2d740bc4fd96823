/* A relay that dies at any named point loses nothing, misorders nothing, and repeats only what was in flight. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>

enum { N_EVENTS = 200 };

static const char *const flags[] = {"--page-rows", "25", "--in-flight-bytes", "65536", NULL};

typedef struct crash {
    const char *name, *at;
    bool may_repeat;
} crash;

static const crash crashes[] = {
    {"after the first read", "after_read", false},
    {"after a later read", "after_read:2", true},
    {"after the first barrier", "after_barrier", false},
    {"after a later barrier", "after_barrier:2", true},
    {"after records were handed over", "after_produce", true},
    {"after more were handed over", "after_produce:3", true},
    {"after the first acknowledgement", "after_ack", true},
    {"after more acknowledgements", "after_ack:3", true},
    {"after the first settling", "after_settle", true},
    {"after more settlings", "after_settle:3", true},
};

/* Goes on until it dies: so that there is always a later batch. */
static void feed(const outbox *o, proc_fixture *relay)
{
    enum { MOST = 5000 };
    publish(o->conn, o->topic, NULL, N_EVENTS);
    for (int i = 0; i < MOST && proc_fixture_running(relay); i++)
        publish(o->conn, o->topic, NULL, 5);
}

static void nothing_is_lost_or_misordered_by_a_crash(void **state)
{
    const crash *c = *state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_crashing(o, c->at, flags);
    feed(o, relay);
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 128 + SIGKILL);
    proc_fixture_free(relay);
    relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    told answer = expect_all_arrived(o, o->topic);
    print_message("%s: %zu of %zu records came again\n", c->name, answer.n_repeated, answer.n_records);
    if (!c->may_repeat)
        assert_int_equal(answer.n_repeated, 0);
    relay_stop(relay);
    outbox_free(o);
}

/* What has been settled is never sent again, whatever comes after. */
static void settled_events_are_never_repeated(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    for (int i = 0; i < 3; i++) {
        publish(o->conn, o->topic, NULL, 50);
        expect_drained(o);
        relay_kill(relay);
        relay = relay_start_leading(o, flags);
    }
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

typedef struct ending {
    const outbox *o;
    proc_fixture *relay;
} ending;

static bool died_or_done(void *arg)
{
    const ending *e = arg;
    return !proc_fixture_running(e->relay) || is_drained(e->o, 0);
}

/* Killed again and again in the middle of one transaction's rows: its batch goes on where it was settled. */
static void a_large_batch_goes_on_behind_its_last_settled_row(void **state)
{
    (void)state;
    /* Settled as soon as acknowledged, and 2 MB cannot be in flight at once: no relay gets through it with three settlings. */
    static const char *const eager[] = {"--page-rows", "25", "--in-flight-bytes", "65536", "--settle-ms",
                                        "0",           NULL};
    outbox *o = outbox_new();
    pg_run(o->conn,
           "SELECT count(postbus.publish('%s', rpad('v' || i, 1000), 'k' || i %% 5)) FROM generate_series(1, "
           "2000) i",
           o->topic);
    int n_crashes = 0;
    while (!is_drained(o, 0)) {
        ending e = {o, relay_start_crashing(o, "after_settle:3", eager)};
        assert_true(wait_until(died_or_done, &e, SOON_MS));
        proc_fixture_free(e.relay);
        n_crashes++;
    }
    print_message("%d relays died over one batch\n", n_crashes);
    assert_true(n_crashes > 1);
    expect_all_arrived(o, o->topic);
    outbox_free(o);
}

int main(void)
{
    struct CMUnitTest tests[sizeof crashes / sizeof crashes[0] + 2];
    size_t n = 0;
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        tests[n++] = (struct CMUnitTest){.name = crashes[i].name,
                                         .test_func = nothing_is_lost_or_misordered_by_a_crash,
                                         .initial_state = (void *)(uintptr_t)&crashes[i]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(settled_events_are_never_repeated);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_large_batch_goes_on_behind_its_last_settled_row);
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
