/* The doorbell's every transition, and what must hold over any sequence of them: it never sleeps without having read under the lock. */
#include "cmocka_all.h"
#include "doorbell.h"

#include <stdio.h>

enum { IDLE_MS = 10, SAFETY_MS = 1000 };
#define MS INT64_C(1000)

typedef enum input { LOCK_GOT, LOCK_NOT, ROWS, NONE, RING, LATER, MUCH_LATER } input;

/* Brings a bell to a state at time *now_us. */
static doorbell bell_in(doorbell_state state, int64_t *now_us)
{
    doorbell d;
    int64_t until;
    *now_us = 0;
    doorbell_init(&d, IDLE_MS, SAFETY_MS, 0);
    if (state == DOORBELL_AWAKE)
        return d;
    *now_us = 20 * MS;
    assert_int_equal(doorbell_next(&d, *now_us, &until), DOORBELL_ARM_AND_READ);
    doorbell_lock_answered(&d, true, *now_us);
    if (state == DOORBELL_ASLEEP)
        doorbell_read_done(&d, false, *now_us);
    assert_int_equal(d.state, state);
    return d;
}

typedef struct transition {
    const char *name;
    doorbell_state from;
    input inputs[4];
    int n_inputs;
    doorbell_action then;
    doorbell_state state;
} transition;

static const transition transitions[] = {
    {"awake reads at once", DOORBELL_AWAKE, {0}, 0, DOORBELL_READ, DOORBELL_AWAKE},
    {"awake pauses between reads that found nothing",
     DOORBELL_AWAKE,
     {NONE},
     1,
     DOORBELL_WAIT,
     DOORBELL_AWAKE},
    {"awake reads again after rows", DOORBELL_AWAKE, {ROWS}, 1, DOORBELL_READ, DOORBELL_AWAKE},
    {"awake reads again after a pause", DOORBELL_AWAKE, {NONE, LATER}, 2, DOORBELL_READ, DOORBELL_AWAKE},
    {"awake arms when idle", DOORBELL_AWAKE, {NONE, MUCH_LATER}, 2, DOORBELL_ARM_AND_READ, DOORBELL_AWAKE},
    {"awake takes no notice of a ring", DOORBELL_AWAKE, {NONE, RING}, 2, DOORBELL_WAIT, DOORBELL_AWAKE},
    {"awake naps when the lock is taken",
     DOORBELL_AWAKE,
     {NONE, MUCH_LATER, LOCK_NOT, NONE},
     4,
     DOORBELL_WAIT,
     DOORBELL_AWAKE},
    {"armed with rows unlocks", DOORBELL_ARMED, {ROWS}, 1, DOORBELL_UNLOCK_AND_READ, DOORBELL_AWAKE},
    {"armed without rows sleeps", DOORBELL_ARMED, {NONE}, 1, DOORBELL_WAIT, DOORBELL_ASLEEP},
    {"armed and rung unlocks though the read found nothing",
     DOORBELL_ARMED,
     {RING, NONE},
     2,
     DOORBELL_UNLOCK_AND_READ,
     DOORBELL_AWAKE},
    {"armed, rung and with rows unlocks",
     DOORBELL_ARMED,
     {RING, ROWS},
     2,
     DOORBELL_UNLOCK_AND_READ,
     DOORBELL_AWAKE},
    {"asleep waits", DOORBELL_ASLEEP, {LATER}, 1, DOORBELL_WAIT, DOORBELL_ASLEEP},
    {"asleep and rung unlocks", DOORBELL_ASLEEP, {RING}, 1, DOORBELL_UNLOCK_AND_READ, DOORBELL_AWAKE},
    {"asleep looks after the safety time", DOORBELL_ASLEEP, {MUCH_LATER}, 1, DOORBELL_READ, DOORBELL_ASLEEP},
    {"a safety poll that finds nothing sleeps on",
     DOORBELL_ASLEEP,
     {MUCH_LATER, NONE},
     2,
     DOORBELL_WAIT,
     DOORBELL_ASLEEP},
    {"a safety poll that finds rows unlocks",
     DOORBELL_ASLEEP,
     {MUCH_LATER, ROWS},
     2,
     DOORBELL_UNLOCK_AND_READ,
     DOORBELL_AWAKE},
};

static void put(doorbell *d, input in, int64_t *now_us)
{
    switch (in) {
    case LOCK_GOT:
    case LOCK_NOT:
        doorbell_lock_answered(d, in == LOCK_GOT, *now_us);
        break;
    case ROWS:
    case NONE:
        doorbell_read_done(d, in == ROWS, *now_us);
        break;
    case RING:
        doorbell_rung(d, 1);
        break;
    case LATER:
        *now_us += MS;
        break;
    case MUCH_LATER:
        *now_us += (SAFETY_MS + 1) * MS;
        break;
    }
}

static void goes_as_the_table_says(void **state)
{
    const transition *t = *state;
    int64_t now_us, until;
    doorbell d = bell_in(t->from, &now_us);
    for (int i = 0; i < t->n_inputs; i++)
        put(&d, t->inputs[i], &now_us);
    assert_int_equal(doorbell_next(&d, now_us, &until), t->then);
    assert_int_equal(d.state, t->state);
}

static void naps_double_up_to_a_bound(void **state)
{
    (void)state;
    int64_t now_us, until;
    doorbell d = bell_in(DOORBELL_AWAKE, &now_us);
    int64_t naps[8];
    now_us = 20 * MS;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_ARM_AND_READ);
        doorbell_lock_answered(&d, false, now_us);
        doorbell_read_done(&d, false, now_us);
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_WAIT);
        naps[i] = until - now_us;
        now_us = until;
    }
    assert_int_equal(naps[0], 1 * MS);
    assert_int_equal(naps[1], 2 * MS);
    assert_int_equal(naps[7], 25 * MS);
}

static void rows_are_never_left_behind_a_held_lock(void **state)
{
    (void)state;
    int64_t now_us, until;
    doorbell d = bell_in(DOORBELL_ARMED, &now_us);
    doorbell_read_done(&d, true, now_us);
    assert_true(doorbell_take_unlock(&d));
    assert_false(doorbell_take_unlock(&d));
    assert_int_equal(d.state, DOORBELL_AWAKE);
    assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_READ);
    d = bell_in(DOORBELL_ASLEEP, &now_us);
    assert_false(doorbell_take_unlock(&d));
}

/* A safety poll that found rows is counted, unless the ring was only late. */
static void a_find_that_no_ring_explains_is_counted(void **state)
{
    (void)state;
    for (int rung = 0; rung < 2; rung++) {
        int64_t now_us, until;
        doorbell d = bell_in(DOORBELL_ASLEEP, &now_us);
        now_us += (SAFETY_MS + 1) * MS;
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_READ);
        doorbell_read_done(&d, true, now_us);
        if (rung)
            doorbell_rung(&d, 1);
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_UNLOCK_AND_READ);
        doorbell_read_done(&d, false, now_us);
        now_us += 2 * SAFETY_MS * MS;
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_ARM_AND_READ);
        doorbell_lock_answered(&d, true, now_us);
        assert_int_equal(d.n_safety_found, !rung);
    }
}

static void many_rings_in_one_wake_lengthen_the_idle_time_and_few_shorten_it(void **state)
{
    (void)state;
    int64_t now_us, until;
    doorbell d = bell_in(DOORBELL_ASLEEP, &now_us);
    int64_t before_us = d.idle_us, most_us = 0;
    for (int i = 0; i < 40; i++) {
        doorbell_rung(&d, i < 20 ? 50 : 1);
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_UNLOCK_AND_READ);
        doorbell_read_done(&d, true, now_us);
        now_us += 2000 * MS;
        assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_ARM_AND_READ);
        doorbell_lock_answered(&d, true, now_us);
        doorbell_read_done(&d, false, now_us);
        most_us = d.idle_us > most_us ? d.idle_us : most_us;
    }
    assert_int_equal(most_us, 1000 * MS);
    assert_int_equal(d.idle_us, before_us);
}

static void a_new_session_holds_no_lock_and_reads_first(void **state)
{
    (void)state;
    int64_t now_us, until;
    doorbell d = bell_in(DOORBELL_ASLEEP, &now_us);
    doorbell_rung(&d, 1);
    doorbell_restart(&d, now_us);
    assert_int_equal(d.state, DOORBELL_AWAKE);
    assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_READ);
}

/* ---- any sequence ---- */

/* Rings may come late: when the rows have been read, and the bell sleeps again. */
static void a_ring_for_what_was_read_before_leaves_the_bell_awake_only_for_a_moment(void **state)
{
    (void)state;
    int64_t now_us, until;
    doorbell d = bell_in(DOORBELL_ASLEEP, &now_us);
    doorbell_rung(&d, 1);
    assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_UNLOCK_AND_READ);
    doorbell_read_done(&d, 0, now_us);
    now_us += MS;
    assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_READ);
    doorbell_read_done(&d, 0, now_us);
    now_us += IDLE_MS * MS;
    assert_int_equal(doorbell_next(&d, now_us, &until), DOORBELL_ARM_AND_READ);
}

typedef struct world {
    bool locked;          /* as PostgreSQL has it */
    bool read_since_lock; /* a read that began after the lock was taken has answered */
    bool rung_asleep;
} world;

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void act(doorbell *d, world *w, doorbell_action action, int64_t now_us, uint32_t *seed)
{
    if (action == DOORBELL_UNLOCK_AND_READ) {
        assert_true(w->locked);
        w->locked = false;
    }
    if (action == DOORBELL_ARM_AND_READ) {
        assert_false(w->locked);
        w->locked = draw(seed) % 3 > 0;
        doorbell_lock_answered(d, w->locked, now_us);
        w->read_since_lock = false;
    }
    if (draw(seed) % 4 == 0 && w->locked)
        doorbell_rung(d, 1 + (int)(draw(seed) % 12));
    doorbell_read_done(d, draw(seed) % 3 == 0, now_us);
    w->read_since_lock = true;
    w->rung_asleep = false;
    if (draw(seed) % 2 && doorbell_take_unlock(d)) {
        assert_true(w->locked);
        w->locked = false;
    }
}

static void the_bell_never_sleeps_without_a_read_since_the_lock_was_taken(void **state)
{
    (void)state;
    int n_sleeps = 0;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        uint32_t s = seed;
        int64_t now_us = 0, until;
        doorbell d;
        world w = {0};
        doorbell_init(&d, IDLE_MS, SAFETY_MS, 0);
        for (int i = 0; i < 400; i++) {
            doorbell_action action = doorbell_next(&d, now_us, &until);
            if (action != DOORBELL_WAIT) {
                act(&d, &w, action, now_us, &s);
                continue;
            }
            assert_true(until > now_us);
            assert_true(d.state == DOORBELL_ASLEEP || until - now_us <= 25 * MS); /* nobody rings for it */
            assert_true(d.state != DOORBELL_ARMED);
            assert_int_equal(d.state == DOORBELL_ASLEEP, w.locked);
            assert_true(!w.locked || w.read_since_lock);
            assert_false(w.rung_asleep);
            if (w.locked && draw(&s) % 2) {
                doorbell_rung(&d, 1);
                w.rung_asleep = true;
            } else {
                now_us = until + (draw(&s) % 4 == 0 ? 2 * IDLE_MS * MS : 0);
            }
            n_sleeps += w.locked;
        }
    }
    assert_true(n_sleeps > 1000);
}

int main(void)
{
    enum { N = sizeof transitions / sizeof transitions[0] };
    struct CMUnitTest tests[N + 7] = {
        cmocka_unit_test(naps_double_up_to_a_bound),
        cmocka_unit_test(rows_are_never_left_behind_a_held_lock),
        cmocka_unit_test(a_find_that_no_ring_explains_is_counted),
        cmocka_unit_test(many_rings_in_one_wake_lengthen_the_idle_time_and_few_shorten_it),
        cmocka_unit_test(a_new_session_holds_no_lock_and_reads_first),
        cmocka_unit_test(a_ring_for_what_was_read_before_leaves_the_bell_awake_only_for_a_moment),
        cmocka_unit_test(the_bell_never_sleeps_without_a_read_since_the_lock_was_taken),
    };
    for (size_t i = 0; i < N; i++)
        tests[7 + i] = (struct CMUnitTest){.name = transitions[i].name,
                                           .test_func = goes_as_the_table_says,
                                           .initial_state = (void *)(uintptr_t)&transitions[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
