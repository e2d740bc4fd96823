/* What waits in memory: by its time, and no event before one of its key. */
#include "cmocka_all.h"

#include <stdlib.h>

#include "waiting.h"

static event *new_event(int64_t key, int64_t offset)
{
    event *e = calloc(1, sizeof *e);
    assert_non_null(e);
    e->queue = key;
    e->has_queue = key != 0;
    e->view.offset = offset;
    return e;
}

static void expect_taken(waiting *w, int64_t offset)
{
    event *e = waiting_take(w);
    assert_non_null(e);
    assert_int_equal(e->view.offset, offset);
    assert_null(waiting_next(e));
    event_free(e);
}

static void the_first_that_is_due_comes_first(void **state)
{
    (void)state;
    waiting w = {0};
    assert_true(waiting_due_ms(&w) == INT64_MAX);
    assert_null(waiting_take(&w));
    for (int64_t i = 0; i < 1000; i++) /* 0, 7, 14 … 996, 3, 10 …: each of 0 to 999 once */
        assert_true(waiting_put(&w, new_event(i + 1, i * 7 % 1000), i * 7 % 1000));
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(waiting_due_ms(&w), i);
        expect_taken(&w, i);
    }
    assert_true(waiting_due_ms(&w) == INT64_MAX);
    waiting_done(&w);
}

static void later_events_of_a_key_wait_behind_it_in_order(void **state)
{
    (void)state;
    waiting w = {0};
    event *other = new_event(6 + WAITING_BUCKETS, 100), *none = new_event(0, 101), *e;
    assert_true(waiting_put(&w, new_event(6, 0), 50));
    for (int64_t offset = 1; offset < 4; offset++)
        assert_true(waiting_follow(&w, new_event(6, offset)));
    assert_false(waiting_follow(&w, other)); /* of the same bucket, and another key */
    assert_false(waiting_follow(&w, none));
    assert_true(waiting_put(&w, other, 40));
    assert_true(waiting_put(&w, none, 45));
    expect_taken(&w, 100);
    expect_taken(&w, 101);
    for (int64_t offset = 0; offset < 4; offset++) {
        e = waiting_take(&w);
        assert_int_equal(e->view.offset, offset);
        assert_true(waiting_put(&w, e, 60)); /* it failed again, and keeps those behind it */
        if (offset == 1)
            assert_true(waiting_follow(&w, new_event(6, 4)));
        e = waiting_take(&w);
        assert_int_equal(e->view.offset, offset);
        event *next = waiting_next(e);
        event_free(e);
        assert_non_null(next);
        assert_true(waiting_put(&w, next, 70));
    }
    expect_taken(&w, 4);
    waiting_done(&w);
}

static void all_that_waits_is_released(void **state)
{
    (void)state;
    waiting w = {0};
    for (int64_t key = 1; key < 40; key++) {
        assert_true(waiting_put(&w, new_event(key, 0), key));
        assert_true(waiting_follow(&w, new_event(key, 1)));
        assert_true(waiting_follow(&w, new_event(key, 2)));
    }
    waiting_done(&w);
    assert_null(waiting_take(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_is_due_comes_first),
        cmocka_unit_test(later_events_of_a_key_wait_behind_it_in_order),
        cmocka_unit_test(all_that_waits_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
