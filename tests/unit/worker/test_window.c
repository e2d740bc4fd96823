/* The position moves over what is done without a gap, whatever the order in which it is done. */
#include "cmocka_all.h"

#include "window.h"

enum { HOURS_MS = 3 * 3600 * 1000 };

static void the_position_waits_for_the_first_that_is_not_done(void **state)
{
    (void)state;
    window w;
    uint64_t a, b, c;
    window_init(&w, 10);
    assert_int_equal(window_position(&w), 10);
    window_pass(&w, 11, 1); /* offsets have gaps */
    assert_int_equal(window_position(&w), 12);
    assert_true(window_add(&w, 14, 1, &a));
    assert_int_equal(window_position(&w), 14);
    assert_true(window_add(&w, 15, 1, &b));
    window_pass(&w, 16, 1);
    assert_true(window_add(&w, 20, 1, &c));
    window_finish(&w, b);
    assert_int_equal(window_position(&w), 14);
    window_finish(&w, a);
    assert_int_equal(window_position(&w), 20);
    window_finish(&w, c);
    assert_int_equal(window_position(&w), 21);
    window_done(&w);
}

static void many_may_be_done_in_any_order(void **state)
{
    (void)state;
    enum { N = 5000 };
    static uint64_t tickets[N];
    window w;
    window_init(&w, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            assert_true(window_add(&w, round * N + i, 1, &tickets[i]));
        for (int i = 1; i < N; i++) /* 7 has no factor in common with N */
            window_finish(&w, tickets[(i * 7) % N]);
        assert_int_equal(window_position(&w), round * N);
        window_finish(&w, tickets[0]);
        assert_int_equal(window_position(&w), (round + 1) * N);
    }
    window_done(&w);
}

static void the_lag_is_what_lies_between_position_and_end(void **state)
{
    (void)state;
    window w;
    uint64_t a, b;
    window_init(&w, 10);
    assert_int_equal(window_lag(&w, 0), -1); /* nobody has told the end */
    window_note_end(&w, 15, 1000);
    assert_int_equal(window_lag(&w, 500), 5);
    assert_int_equal(window_lag(&w, 1001), -1); /* too long ago */
    assert_true(window_add(&w, 10, 1, &a));
    assert_true(window_add(&w, 11, 1, &b));
    window_finish(&w, b);
    assert_int_equal(window_lag(&w, 500), 5);
    window_finish(&w, a);
    assert_int_equal(window_lag(&w, 500), 3);
    window_pass(&w, 20, 1); /* read further than the end that was told */
    assert_int_equal(window_lag(&w, 500), 0);
    assert_true(window_add(&w, 21, 1, &a));
    assert_int_equal(window_lag(&w, 500), 1);
    window_done(&w);
}

static void the_lag_in_time_is_the_age_of_the_first_that_is_not_done(void **state)
{
    (void)state;
    window w;
    uint64_t a, b;
    window_init(&w, 0);
    assert_int_equal(window_lag_ms(&w, 100, 9000), 0);
    assert_true(window_add(&w, 0, 5000, &a));
    assert_true(window_add(&w, 1, 7000, &b));
    assert_int_equal(window_lag_ms(&w, 100, 9000), 4000);
    assert_int_equal(window_lag_ms(&w, 100, 4000), 0); /* another machine's clock */
    window_finish(&w, a);
    assert_int_equal(window_lag_ms(&w, 100, 9000), 2000);
    window_finish(&w, b);
    assert_int_equal(window_lag_ms(&w, 100, 9000), 0);
    window_done(&w);
}

static void what_nobody_reads_is_as_late_as_it_has_been_seen(void **state)
{
    (void)state;
    window w;
    uint64_t a;
    window_init(&w, 10);
    window_note_end(&w, 12, 1000);
    window_note_end(&w, 15, 6000); /* more comes, and nothing is read */
    assert_int_equal(window_lag_ms(&w, 7000, 0), 6000);
    assert_true(window_add(&w, 10, 0, &a));
    window_finish(&w, a);
    assert_int_equal(window_lag_ms(&w, 7000, 0), 0); /* it moves */
    window_pass(&w, 14, 1);
    window_note_end(&w, 15, 9000);
    assert_int_equal(window_lag_ms(&w, 9500, 9500), 0); /* all is read */
    window_note_end(&w, 16, 12000);
    window_note_end(&w, 16, 17000);
    assert_int_equal(window_lag_ms(&w, 18000, HOURS_MS),
                     6000); /* however long ago the one before was published */
    window_done(&w);
}

/* A filter that lets nothing through, or a handler that is done with each at once: nothing is queued, and the end is far away. */
static void what_is_left_to_read_is_as_late_as_the_last_that_was_read(void **state)
{
    (void)state;
    window w;
    uint64_t a;
    window_init(&w, 0);
    window_note_end(&w, 1000000, 0);
    window_pass(&w, 9, 1000);
    assert_int_equal(window_lag_ms(&w, 100, HOURS_MS), HOURS_MS - 1000);
    window_note_end(&w, 1000000, 5000);
    assert_int_equal(window_lag_ms(&w, 5100, HOURS_MS),
                     HOURS_MS - 1000); /* nor is it on time at each answer */
    assert_true(window_add(&w, 10, 3000, &a));
    window_finish(&w, a);
    assert_int_equal(window_lag_ms(&w, 5100, HOURS_MS), HOURS_MS - 3000);
    assert_int_equal(window_lag_ms(&w, 5100, 2000), 0); /* another machine's clock */
    window_pass(&w, 999999, 4000);
    assert_int_equal(window_lag_ms(&w, 5100, HOURS_MS), 0);
    window_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_position_waits_for_the_first_that_is_not_done),
        cmocka_unit_test(the_lag_is_what_lies_between_position_and_end),
        cmocka_unit_test(the_lag_in_time_is_the_age_of_the_first_that_is_not_done),
        cmocka_unit_test(what_nobody_reads_is_as_late_as_it_has_been_seen),
        cmocka_unit_test(what_is_left_to_read_is_as_late_as_the_last_that_was_read),
        cmocka_unit_test(many_may_be_done_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
