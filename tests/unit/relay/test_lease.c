/* The lease's time: counted from when a question left, whenever its answer came. */
#include "clock.h"
#include "cmocka_all.h"
#include "lease.h"

#define START_US 5000000

static lease held_since(int64_t asked_us)
{
    lease l;
    lease_init(&l, 1000);
    lease_ask(&l, asked_us);
    lease_answered(&l);
    return l;
}

static void a_lease_that_was_never_answered_does_not_hold(void **state)
{
    (void)state;
    lease l;
    lease_init(&l, 1000);
    assert_false(lease_holds(&l, START_US));
    lease_ask(&l, START_US);
    assert_false(lease_holds(&l, START_US));
}

static void it_holds_for_half_its_length_from_when_the_question_left(void **state)
{
    (void)state;
    lease l = held_since(START_US);
    assert_true(lease_holds(&l, START_US + 499999));
    assert_false(lease_holds(&l, START_US + 500000));
}

static void a_late_answer_makes_it_no_longer(void **state)
{
    (void)state;
    lease l = held_since(START_US);
    lease_ask(&l, START_US + 100000);
    assert_true(lease_holds(&l, START_US + 499999));
    assert_false(lease_holds(&l, START_US + 550000));
    lease_answered(&l);
    assert_true(lease_holds(&l, START_US + 599999));
    assert_false(lease_holds(&l, START_US + 600000));
}

static void the_next_question_is_due_after_a_quarter_and_only_one_is_under_way(void **state)
{
    (void)state;
    lease l = held_since(START_US);
    assert_int_equal(lease_ask_at(&l), START_US + 250000);
    lease_ask(&l, START_US + 250000);
    assert_true(lease_ask_at(&l) == CLOCK_NEVER);
    lease_answered(&l);
    assert_int_equal(lease_ask_at(&l), START_US + 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_that_was_never_answered_does_not_hold),
        cmocka_unit_test(it_holds_for_half_its_length_from_when_the_question_left),
        cmocka_unit_test(a_late_answer_makes_it_no_longer),
        cmocka_unit_test(the_next_question_is_due_after_a_quarter_and_only_one_is_under_way),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
