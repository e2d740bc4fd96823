/* What a thread counts of the events it handled: each stage of the way that is known, and no other. */
#include "cmocka_all.h"

#include "tally.h"

static const tally_moment at = {.us = 50000, .wall_ms = 10900};

static event read_event(int64_t published_ms, int64_t relayed_ms)
{
    return (event){
        .published_ms = published_ms, .relayed_ms = relayed_ms, .read_ms = 10600, .read_us = 20000};
}

static void expect(const tally *t, subscriber_stage stage, uint64_t n, uint64_t sum_us)
{
    histogram stages[SUBSCRIBER_N_STAGES] = {0};
    uint64_t n_attempts = 0, counted = 0;
    tally_add_to(t, &n_attempts, stages);
    for (size_t i = 0; i <= HISTOGRAM_N_BOUNDS; i++)
        counted += stages[stage].counts[i];
    assert_int_equal(counted, n);
    assert_int_equal(stages[stage].sum, sum_us);
}

/* Promise E6. */
static void each_stage_that_is_known_is_noted(void **state)
{
    (void)state;
    tally t = {0};
    event e = read_event(10000, 10100);
    tally_note_handled(&t, &e, at);
    expect(&t, STAGE_RELAY, 1, 100000);
    expect(&t, STAGE_CONSUME, 1, 500000);
    expect(&t, STAGE_ARRIVE, 1, 600000);
    expect(&t, STAGE_HANDLE, 1, 30000);
    expect(&t, STAGE_WHOLE, 1, 900000);
    expect(&t, STAGE_HANDLER, 0, 0);
}

static void what_a_record_does_not_say_is_not_noted(void **state)
{
    (void)state;
    tally t = {0};
    event published = read_event(10000, -1), relayed = read_event(-1, 10100), neither = read_event(-1, -1);
    tally_note_handled(&t, &published, at);
    tally_note_handled(&t, &relayed, at);
    tally_note_handled(&t, &neither, at);
    expect(&t, STAGE_RELAY, 0, 0);
    expect(&t, STAGE_CONSUME, 1, 500000);
    expect(&t, STAGE_ARRIVE, 1, 600000);
    expect(&t, STAGE_HANDLE, 3, 90000);
    expect(&t, STAGE_WHOLE, 1, 900000);
}

static void a_clock_that_is_behind_gives_zero(void **state)
{
    (void)state;
    tally t = {0};
    event e = read_event(99999, 88888);
    tally_note_handled(&t, &e, at);
    expect(&t, STAGE_RELAY, 1, 0);
    expect(&t, STAGE_CONSUME, 1, 0);
    expect(&t, STAGE_WHOLE, 1, 0);
}

/* Nanoseconds taken for milliseconds, say: neither is there an overflow, nor does the sum come round to its beginning soon. */
static void a_time_that_cannot_be_is_not_taken_at_its_word(void **state)
{
    (void)state;
    tally t = {0};
    event future = read_event(INT64_MAX, 10100), late = read_event(10000, INT64_C(999999999999999));
    tally_note_handled(&t, &future, at);
    expect(&t, STAGE_RELAY, 1, 0);
    expect(&t, STAGE_WHOLE, 1, 0);
    tally_note_handled(&t, &late, at);
    expect(&t, STAGE_RELAY, 2, UINT64_C(366) * 24 * 3600 * 1000000);
}

static void an_event_that_waited_is_not_noted(void **state)
{
    (void)state;
    tally t = {0};
    event e = read_event(10000, 10100);
    e.n = 4711;
    tally_note_handled(&t, &e, at);
    expect(&t, STAGE_HANDLE, 0, 0);
    expect(&t, STAGE_WHOLE, 0, 0);
}

static void tallies_add_up(void **state)
{
    (void)state;
    tally one = {0}, other = {0};
    histogram stages[SUBSCRIBER_N_STAGES] = {0};
    uint64_t n_attempts = 0;
    tally_note_attempt(&one, 1, 1000);
    tally_note_attempt(&one, 7, 1001);
    tally_note_attempt(&other, 1, INT64_C(100000001));
    tally_add_to(&one, &n_attempts, stages);
    tally_add_to(&other, &n_attempts, stages);
    assert_int_equal(n_attempts, 9);
    assert_int_equal(stages[STAGE_HANDLER].counts[0], 1); /* up to a millisecond */
    assert_int_equal(stages[STAGE_HANDLER].counts[1], 1);
    assert_int_equal(stages[STAGE_HANDLER].counts[HISTOGRAM_N_BOUNDS], 1);
    assert_int_equal(stages[STAGE_HANDLER].sum, 100002002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stage_that_is_known_is_noted),
        cmocka_unit_test(what_a_record_does_not_say_is_not_noted),
        cmocka_unit_test(a_clock_that_is_behind_gives_zero),
        cmocka_unit_test(a_time_that_cannot_be_is_not_taken_at_its_word),
        cmocka_unit_test(an_event_that_waited_is_not_noted),
        cmocka_unit_test(tallies_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
