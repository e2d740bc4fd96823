/* The end of a stall: proven by what was stuck, and later each time. */
#include "cmocka_all.h"
#include "stall.h"

enum { TIMEOUT_MS = 1000, TIMEOUT_US = 1000000 };

static const config cfg = {.lane_timeout_ms = TIMEOUT_MS};

/* A topic whose partitions 0 and 1 stalled at 0, for the n-th time. */
static topic stalled_topic(int n)
{
    topic t = {.stalled = true, .n_stalls = n, .stalled_at_us = 0};
    flights_sent(&t.flights, FLIGHT_PLACED, -TIMEOUT_US);
    flights_sent(&t.flights, FLIGHT_PLACED + 1, -TIMEOUT_US);
    flights_mark_stuck(&t.flights, 0);
    return t;
}

static void the_first_is_over_when_all_that_was_stuck_has_answered(void **state)
{
    (void)state;
    topic t = stalled_topic(1);
    assert_false(stalls_over(&cfg, &t, 5, 1));
    assert_false(stalls_over(&cfg, &t, 1, 2));
    assert_true(stalls_over(&cfg, &t, 0, 3));
    flights_done(&t.flights);
}

/* Events without a key go elsewhere, and may never prove it. */
static void without_proof_it_is_over_after_a_while(void **state)
{
    (void)state;
    topic t = stalled_topic(1);
    assert_false(stalls_over(&cfg, &t, 5, TIMEOUT_US - 1));
    assert_true(stalls_over(&cfg, &t, 5, TIMEOUT_US));
    flights_done(&t.flights);
}

static void a_topic_that_stalls_again_and_again_is_held_for_longer(void **state)
{
    (void)state;
    for (int n = 2; n < 40; n++) {
        topic t = stalled_topic(n);
        stalls_over(&cfg, &t, 0, 1);
        int64_t held_us = n < 12 ? TIMEOUT_US * (1LL << (n - 2)) : 600 * (int64_t)TIMEOUT_US;
        assert_false(stalls_over(&cfg, &t, 1, held_us - 1));
        assert_true(stalls_over(&cfg, &t, 1, held_us));
        flights_done(&t.flights);
    }
}

/* Its lane is empty: nothing can be acknowledged. */
static void without_anything_to_ask_with_it_is_held_as_long_as_without_proof(void **state)
{
    (void)state;
    for (int n = 1; n < 40; n++) {
        topic t = stalled_topic(n);
        int64_t held_us = n < 11 ? TIMEOUT_US * (1LL << (n - 1)) : 600 * (int64_t)TIMEOUT_US;
        assert_int_equal(stalls_held_until(&cfg, &t), held_us);
        flights_done(&t.flights);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_over_when_all_that_was_stuck_has_answered),
        cmocka_unit_test(without_proof_it_is_over_after_a_while),
        cmocka_unit_test(without_anything_to_ask_with_it_is_held_as_long_as_without_proof),
        cmocka_unit_test(a_topic_that_stalls_again_and_again_is_held_for_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
