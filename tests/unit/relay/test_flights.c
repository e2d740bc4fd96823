/* Flights: a partition waits since its last answer, and what came back without one is no answer. */
#include "cmocka_all.h"
#include "flights.h"

#include "clock.h"

enum { P0 = FLIGHT_PLACED, P7 = FLIGHT_PLACED + 7, SECOND_US = 1000000 };

static void nothing_on_its_way_waits_for_nothing(void **state)
{
    (void)state;
    flights f = {0};
    assert_int_equal(flights_since(&f), CLOCK_NEVER);
    flights_sent(&f, P0, 5);
    flights_answered(&f, P0, 9);
    assert_int_equal(flights_since(&f), CLOCK_NEVER);
    flights_done(&f);
}

static void a_partition_waits_since_its_last_answer(void **state)
{
    (void)state;
    flights f = {0};
    for (int i = 0; i < 3; i++)
        flights_sent(&f, P0, 5 + i);
    assert_int_equal(flights_since(&f), 5);
    flights_answered(&f, P0, 20);
    assert_int_equal(flights_since(&f), 20);
    flights_sent(&f, P7, 10);
    assert_int_equal(flights_since(&f), 10);
    flights_answered(&f, P7, 30);
    assert_int_equal(flights_since(&f), 20);
    assert_int_equal(flights_count(&f, false), 2);
    flights_done(&f);
}

static void what_comes_back_and_is_sent_again_has_waited_all_the_time(void **state)
{
    (void)state;
    flights f = {0};
    flights_sent(&f, P0, 5);
    flights_failed(&f, P0, 50);
    assert_int_equal(flights_since(&f), CLOCK_NEVER);
    flights_sent(&f, P0, 60);
    assert_int_equal(flights_since(&f), 5);
    flights_failed(&f, P0, 70);
    flights_sent(&f, P0, 70 + 60LL * SECOND_US);
    assert_int_equal(flights_since(&f), 70 + 60LL * SECOND_US);
    flights_done(&f);
}

static void once_a_stall_is_over_what_came_back_does_not_count(void **state)
{
    (void)state;
    flights f = {0};
    flights_sent(&f, P0, 5);
    flights_failed(&f, P0, 50);
    flights_begin_anew(&f);
    flights_sent(&f, P0, 60);
    assert_int_equal(flights_since(&f), 60);
    flights_done(&f);
}

static void only_partitions_that_waited_are_stuck_until_they_answer(void **state)
{
    (void)state;
    flights f = {0};
    flights_sent(&f, FLIGHT_ALONE, 1);
    flights_sent(&f, P0, 5);
    flights_sent(&f, P7, 100);
    flights_mark_stuck(&f, 50);
    assert_int_equal(f.n_stuck, 1);
    flights_unmark(&f, 7);
    flights_unmark(&f, 1000);
    assert_int_equal(f.n_stuck, 1);
    flights_unmark(&f, 0);
    assert_int_equal(f.n_stuck, 0);
    assert_int_equal(flights_count(&f, true), 1);
    flights_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_on_its_way_waits_for_nothing),
        cmocka_unit_test(a_partition_waits_since_its_last_answer),
        cmocka_unit_test(what_comes_back_and_is_sent_again_has_waited_all_the_time),
        cmocka_unit_test(once_a_stall_is_over_what_came_back_does_not_count),
        cmocka_unit_test(only_partitions_that_waited_are_stuck_until_they_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
