/* Every interleaving of a relay that goes to sleep and two publishers, on real sessions: no wake-up is lost. */
#include <string.h>

#include "bell.h"
#include "cmocka_all.h"
#include "pg_query.h"

#define WRITERS 2
#define WRITER_STEPS 2 /* publish; end */
#define ALL_STEPS (WRITERS * WRITER_STEPS)
#define RELAY_STEPS                                                                                          \
    4 /* the whole way from reading to sleep, so that a publisher's step may fall anywhere on it */
#define SETTLING_STEPS_MAX 40

typedef enum relay_at { AT_READ, AT_ARM, AT_ARMED_READ, AT_SLEEP } relay_at;

/* Mistakes that the tester must see; the model of the protocol has more of them. */
typedef enum mistake { NO_MISTAKE, NO_ARMED_READ, ONE_SNAPSHOT } mistake;

typedef struct table {
    PGconn *relay;
    PGconn *writers[WRITERS];
    mistake mistake;
    relay_at at;
    int64_t base_id; /* events of this interleaving lie above it */
    int64_t n_read;
    bool asleep; /* it looked for a ring and there was none */
} table;

/* The order of the writers' steps: which writer is next. Writers are alike, so that writer 0 is always the first. */
static const int orders[][ALL_STEPS] = {{0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 1, 0}};

static bool read_new(table *t)
{
    int64_t n =
        pg_number(t->relay, "SELECT count(*) FROM postbus.outbox WHERE id > %lld", (long long)t->base_id);
    bool found = n > t->n_read;
    t->n_read = n;
    return found;
}

/* The mistake ONE_SNAPSHOT: both reads in one transaction that sees one state of the database. */
static void hold_snapshot(table *t, bool hold)
{
    if (t->mistake == ONE_SNAPSHOT)
        pg_run(t->relay, hold ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "COMMIT");
}

static void read_step(table *t)
{
    hold_snapshot(t, true);
    if (read_new(t))
        hold_snapshot(t, false);
    else
        t->at = AT_ARM;
}

static void arm_step(table *t)
{
    if (bell_try_arm(t->relay)) {
        t->at = t->mistake == NO_ARMED_READ ? AT_SLEEP : AT_ARMED_READ;
    } else {
        hold_snapshot(t, false);
        t->at = AT_READ;
    }
}

static void armed_read_step(table *t)
{
    bool found = read_new(t);

    hold_snapshot(t, false);
    if (found)
        bell_disarm(t->relay);
    t->at = found ? AT_READ : AT_SLEEP;
}

static void sleep_step(table *t)
{
    t->asleep = bell_rings(t->relay) == 0;
    if (t->asleep)
        return;
    bell_disarm(t->relay);
    t->at = AT_READ;
}

static void relay_step(table *t)
{
    static void (*const steps[])(table *) = {[AT_READ] = read_step,
                                             [AT_ARM] = arm_step,
                                             [AT_ARMED_READ] = armed_read_step,
                                             [AT_SLEEP] = sleep_step};

    steps[t->at](t);
}

static void writer_step(table *t, int writer, bool begins, const char *ending)
{
    pg_run(t->writers[writer], "%s", begins ? "BEGIN; SELECT postbus.publish('bell', 'v')" : ending);
}

/* What became of an interleaving. */
typedef struct fate {
    bool lost;
    int idle_before; /* the relay only slept on in its last step before this step of the writers: the same interleaving
                        with a step less is another one of the list. ALL_STEPS: nowhere */
} fate;

static void clear_table(table *t)
{
    for (int i = 0; i < WRITERS; i++)
        pg_run(t->writers[i], "ROLLBACK");
    if (t->at >= AT_ARMED_READ)
        bell_disarm(t->relay);
}

/* relay_steps[i]: how many steps the relay makes before the i-th step of the writers. */
static fate play(table *t, const int *order, const int *relay_steps, const char *const *ending)
{
    int done[WRITERS] = {0};
    int64_t committed = 0;

    t->base_id = pg_number(t->relay, "SELECT coalesce(max(id), 0) FROM postbus.outbox");
    t->n_read = 0;
    t->at = AT_READ;
    t->asleep = false;
    bell_rings(t->relay);
    for (int i = 0; i < ALL_STEPS; i++) {
        t->asleep = false;
        for (int j = 0; j < relay_steps[i]; j++)
            relay_step(t);
        if (t->asleep) {
            clear_table(t);
            return (fate){.idle_before = i};
        }
        writer_step(t, order[i], done[order[i]] == 0, ending[order[i]]);
        done[order[i]]++;
    }
    t->asleep = false;
    for (int i = 0; i < SETTLING_STEPS_MAX && !t->asleep; i++)
        relay_step(t);
    for (int i = 0; i < WRITERS; i++)
        committed += strcmp(ending[i], "COMMIT") == 0;
    assert_true(t->asleep);
    bell_disarm(t->relay);
    return (fate){.lost = t->n_read != committed, .idle_before = ALL_STEPS};
}

/* Counts on at the last place that made a difference; false at the end of the list. */
static bool next_steps(int *relay_steps, int idle_before)
{
    for (int i = ALL_STEPS - 1; i >= 0; i--) {
        if (i <= idle_before && ++relay_steps[i] <= RELAY_STEPS)
            return true;
        relay_steps[i] = 0;
    }
    return false;
}

typedef struct tally {
    int lost;
    int interleavings;
} tally;

static void play_order(table *t, const int *order, const char *const *ending, tally *sum)
{
    int relay_steps[ALL_STEPS] = {0};
    fate f;

    do {
        f = play(t, order, relay_steps, ending);
        sum->lost += f.lost;
        sum->interleavings += f.idle_before == ALL_STEPS;
    } while (next_steps(relay_steps, f.idle_before));
}

static tally play_all(mistake m)
{
    static const char *const ends[][WRITERS] = {{"COMMIT", "COMMIT"}, {"COMMIT", "ROLLBACK"}};
    table t = {.relay = bell_relay_connect(), .writers = {bell_connect(), bell_connect()}, .mistake = m};
    tally sum = {0};

    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
        for (size_t o = 0; o < sizeof orders / sizeof *orders && (m == NO_MISTAKE || sum.lost == 0); o++)
            play_order(&t, orders[o], ends[e], &sum);
    PQfinish(t.relay);
    PQfinish(t.writers[0]);
    PQfinish(t.writers[1]);
    print_message("%d interleavings, %d lost wake-ups\n", sum.interleavings, sum.lost);
    return sum;
}

static void no_interleaving_loses_a_wake_up(void **state)
{
    tally sum = play_all(NO_MISTAKE);

    (void)state;
    assert_true(sum.interleavings > 1000);
    assert_int_equal(sum.lost, 0);
}

static void a_relay_that_does_not_read_once_more_loses_one(void **state)
{
    (void)state;
    assert_true(play_all(NO_ARMED_READ).lost > 0);
}

static void a_relay_that_reads_twice_in_one_snapshot_loses_one(void **state)
{
    (void)state;
    assert_true(play_all(ONE_SNAPSHOT).lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_interleaving_loses_a_wake_up),
        cmocka_unit_test(a_relay_that_does_not_read_once_more_loses_one),
        cmocka_unit_test(a_relay_that_reads_twice_in_one_snapshot_loses_one),
    };

    return cmocka_run_group_tests(tests, bell_server_start, bell_server_stop);
}
