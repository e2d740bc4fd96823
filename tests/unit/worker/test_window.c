/* The position moves over what is done without a gap, whatever the order in which it is done. */
#include "cmocka_all.h"

#include "window.h"

static void the_position_waits_for_the_first_that_is_not_done(void **state)
{
    (void)state;
    window w;
    uint64_t a, b, c;
    window_init(&w, 10);
    assert_int_equal(window_position(&w), 10);
    window_pass(&w, 11); /* offsets have gaps */
    assert_int_equal(window_position(&w), 12);
    assert_true(window_add(&w, 14, &a));
    assert_int_equal(window_position(&w), 14);
    assert_true(window_add(&w, 15, &b));
    window_pass(&w, 16);
    assert_true(window_add(&w, 20, &c));
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
            assert_true(window_add(&w, round * N + i, &tickets[i]));
        for (int i = 1; i < N; i++) /* 7 has no factor in common with N */
            window_finish(&w, tickets[(i * 7) % N]);
        assert_int_equal(window_position(&w), round * N);
        window_finish(&w, tickets[0]);
        assert_int_equal(window_position(&w), (round + 1) * N);
    }
    window_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_position_waits_for_the_first_that_is_not_done),
        cmocka_unit_test(many_may_be_done_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
