/* Exactly-once delivery: a reader of committed records sees each event once and each key's in order, wherever a relay dies or stands still. */
#include "cmocka_all.h"
#include "exact.h"
#include "wait_until.h"

#include <signal.h>

static const char *const lasting[] = {"--delivery=exactly_once", "--lease-ms=1000", "--page-rows=25", NULL};

/* ---- a crash at every point ---- */

static const char *const points[] = {
    "after_read:2",   "after_barrier:2", "after_produce",   "after_produce:3",
    "after_ack",      "after_ack:3",     "before_intent:1", "before_intent:3",
    "after_intent:1", "after_intent:3",  "before_commit:1", "before_commit:2",
    "after_commit:1", "after_commit:3",  "after_settle:1",  "after_settle:3",
};

static void each_event_is_seen_once_over_a_crash(void **state)
{
    enum { MOST = 5000 };
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_crashing(o, *state, exact_flags);
    publish(o->conn, o->topic, NULL, 200);
    for (int i = 0; i < MOST && proc_fixture_running(relay); i++)
        publish(o->conn, o->topic, NULL, 5);
    exact_expect_dead(relay);
    relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 10);
    exact_end(o, relay);
}

/* ---- zombies ---- */

static const char *const zombie_points[] = {"after_produce", "before_intent", "after_intent",
                                            "before_commit"};

/* It stands still in the middle of a transaction, another takes over, and it wakes: nothing of its own is ever seen. */
static void a_zombie_is_fenced(void **state)
{
    const char *point = *state;
    outbox *o = outbox_new();
    if (PQserverVersion(o->conn) < 140000)
        skip();
    proc_fixture *zombie = relay_start_freezing(o, point, lasting);
    proc_fixture_expect_log(zombie, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture *other = relay_start(o, lasting);
    proc_fixture_expect_log(other, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    expect_drained(o);
    expect_each_committed_once(o, o->topic);
    proc_fixture_signal(zombie, SIGCONT);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture_expect_log(zombie, "session.lost", SOON_MS);
    proc_fixture_expect_log(zombie, "leader.waiting", SOON_MS);
    expect_drained(o);
    relay_stop(zombie);
    exact_end(o, other);
}

int main(void)
{
    struct CMUnitTest tests[40];
    size_t n = 0;
    EXACT_ADD(each_event_is_seen_once_over_a_crash, points);
    EXACT_ADD(a_zombie_is_fenced, zombie_points);
    return _cmocka_run_group_tests("exactly_once_crash", tests, n, stage_open, stage_close);
}
