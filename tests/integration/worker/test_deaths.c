/* Events whose handlers kill the process: they are given up after as many attempts as others, and what is handled beside them is not blamed. */
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proc_fixture.h"

enum { MOST_STARTS = 20 };

static proc_fixture *subject_start(stage *s, const char *batch_size, const char *max_attempts)
{
    const char *argv[] = {POSTBUS_TEST_SUBJECT,
                          s->conninfo,
                          kafka_fixture_brokers(stage_kafka),
                          s->topic,
                          s->topic,
                          "0",
                          batch_size,
                          max_attempts,
                          NULL};
    return proc_fixture_start(argv, NULL);
}

typedef struct life {
    stage *s;
    proc_fixture *subject;
    int n_effects, n_dead;
} life;

static bool all_done(const life *l)
{
    return pg_number(l->s->conn,
                     "SELECT ((SELECT count(*) FROM effect) = %d AND "
                     "(SELECT count(*) FROM postbus_inbox.dead) = %d)::int",
                     l->n_effects, l->n_dead) == 1;
}

static bool is_over(void *arg)
{
    const life *l = arg;
    return !proc_fixture_running(l->subject) || all_done(l);
}

/* As a supervisor does: started again until all is done, and then stopped. How often it died. */
static int run_until_done(stage *s, const char *batch_size, const char *max_attempts, int n_effects,
                          int n_dead)
{
    life l = {s, NULL, n_effects, n_dead};
    for (int n_deaths = 0; n_deaths < MOST_STARTS; n_deaths++) {
        l.subject = subject_start(s, batch_size, max_attempts);
        bool over = wait_until(is_over, &l, STAGE_DEADLINE_MS);
        bool running = proc_fixture_running(l.subject);
        if (!over)
            fail_msg("%d effects and %d dead letters did not come: %s", n_effects, n_dead,
                     proc_fixture_log(l.subject));
        if (running)
            assert_int_equal(proc_fixture_end(l.subject, SIGTERM, STAGE_DEADLINE_MS), 0);
        proc_fixture_free(l.subject);
        if (running)
            return n_deaths;
    }
    fail_msg("the process died %d times", MOST_STARTS);
    return 0;
}

static void expect_nothing_left(stage *s)
{
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.waiting"), 0);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.in_hand"), 0);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.position WHERE held"), 0);
    assert_int_equal(pg_number(s->conn, "SELECT count(DISTINCT value) - count(*) FROM effect"), 0);
}

static void kills_until_it_is_given_up(stage *s, const char *batch_size)
{
    stage_produce(s->topic, "k", "before", NULL, NULL);
    stage_produce(s->topic, "k", "kill", NULL, NULL);
    stage_produce(s->topic, "k", "after", NULL, NULL);
    stage_produce_many(s->topic, 40, 10);
    /* The first death is nobody's; of the three that follow each is written down. */
    assert_int_equal(run_until_done(s, batch_size, "3", 42, 1), 4);
    pg_expect(s->conn, "kill exhausted 3 the process died while handling it, 3 times",
              "SELECT concat_ws(' ', convert_from(value, 'UTF8'), reason, attempts, last_error) FROM "
              "postbus_inbox.dead");
    pg_expect(s->conn, "1 2 3",
              "SELECT string_agg(h->>'attempt', ' ' ORDER BY i) FROM postbus_inbox.dead, "
              "jsonb_array_elements(history) "
              "WITH ORDINALITY AS x (h, i)");
    pg_expect(s->conn, "before after",
              "SELECT string_agg(value, ' ' ORDER BY n) FROM effect WHERE key = 'k'");
    expect_nothing_left(s);
}

static void an_event_that_kills_its_process_is_given_up_in_the_end(void **state)
{
    kills_until_it_is_given_up(*state, "1");
}

static void so_is_one_that_comes_in_a_batch(void **state)
{
    kills_until_it_is_given_up(*state, "100");
}

static void so_is_one_that_comes_in_a_call_with_others(void **state)
{
    kills_until_it_is_given_up(*state, "100,together");
}

static void so_is_one_that_had_waited_for_another_attempt(void **state)
{
    stage *s = *state;
    stage_produce(s->topic, "k", "later", NULL, NULL);
    stage_produce(s->topic, "k", "after", NULL, NULL);
    /* One attempt that failed, and three deaths, of which each is known. */
    assert_int_equal(run_until_done(s, "1", "4", 1, 1), 3);
    pg_expect(s->conn, "exhausted 4 the process died while handling it, 3 times",
              "SELECT concat_ws(' ', reason, attempts, last_error) FROM postbus_inbox.dead");
    expect_nothing_left(s);
}

/* With one attempt each: what had to be tried again for no fault of its own is not dead. */
static void what_was_handled_beside_it_is_not_given_up(void **state)
{
    stage *s = *state;
    char key[16], value[16];
    stage_produce_one(s->topic, "k", "kill", NULL, NULL);
    for (int i = 0; i < 9; i++) {
        snprintf(key, sizeof key, "s%d", i);
        snprintf(value, sizeof value, "slow%d", i);
        stage_produce_one(s->topic, key, value, NULL, NULL);
    }
    stage_produce_flush();
    run_until_done(s, "1", "1", 9, 1);
    pg_expect(s->conn, "kill exhausted 2",
              "SELECT concat_ws(' ', convert_from(value, 'UTF8'), reason, attempts) FROM postbus_inbox.dead");
    expect_nothing_left(s);
}

static int64_t begin_attempt(const stage *s, const char *member)
{
    return pg_number(s->conn,
                     "SELECT postbus_inbox.begin_attempt(1, '00000000-0000-4000-8000-000000000001', '%s')",
                     member);
}

/* None of the members has a session: they died, unless it was the server that went. */
static void a_server_that_was_started_anew_has_killed_nobody(void **state)
{
    stage *s = *state;
    assert_int_equal(begin_attempt(s, "one"), 0);
    assert_int_equal(begin_attempt(s, "another"), 1);
    pg_fixture_restart(stage_server, PG_STOP_FAST);
    PQreset(s->conn);
    assert_int_equal(begin_attempt(s, "another"), 0);
    assert_int_equal(begin_attempt(s, "one"), 1);
    pg_fixture_restart(stage_server, PG_STOP_FAST);
    PQreset(s->conn);
    assert_int_equal(begin_attempt(s, "another"), 0); /* its own note, of before */
    assert_int_equal(begin_attempt(s, "one"), 1);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.in_hand"), 1);
}

/* As after a clock was set back: the note is older than the server that it was made on. */
static void a_clock_that_was_set_back_hides_no_death(void **state)
{
    stage *s = *state;
    assert_int_equal(begin_attempt(s, "one"), 0);
    pg_run(s->conn,
           "UPDATE postbus_inbox.in_hand SET since = pg_postmaster_start_time() - interval '1 hour'");
    assert_int_equal(begin_attempt(s, "another"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(an_event_that_kills_its_process_is_given_up_in_the_end),
        STAGE_TEST(so_is_one_that_comes_in_a_batch),
        STAGE_TEST(so_is_one_that_comes_in_a_call_with_others),
        STAGE_TEST(so_is_one_that_had_waited_for_another_attempt),
        STAGE_TEST(what_was_handled_beside_it_is_not_given_up),
        STAGE_TEST(a_server_that_was_started_anew_has_killed_nobody),
        STAGE_TEST(a_clock_that_was_set_back_hides_no_death),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
