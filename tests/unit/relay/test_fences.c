/* The floor rises with what has ended, never above what may still be undone. */
#include "cmocka_all.h"
#include "fences.h"

#include <stdio.h>

static int64_t floor_by(fences *f, const char *text)
{
    snapshot *s = snapshot_parse(text);
    int64_t floor_id = fences_floor(f, s);
    snapshot_unref(s);
    return floor_id;
}

static void without_fences_the_floor_is_what_was_stored(void **state)
{
    (void)state;
    fences f;
    fences_start(&f, 77);
    assert_int_equal(floor_by(&f, "100:200:100"), 77);
}

static void the_newest_fence_at_or_below_xmin_counts(void **state)
{
    (void)state;
    fences f;
    fences_start(&f, 0);
    fences_add(&f, 100, 1000);
    fences_add(&f, 200, 2000);
    fences_add(&f, 300, 3000);
    assert_int_equal(floor_by(&f, "99:400:99"), 0);
    assert_int_equal(floor_by(&f, "100:400:100"), 1000);
    assert_int_equal(floor_by(&f, "299:400:299"), 2000);
    assert_int_equal(floor_by(&f, "301:400:"), 3000);
}

static void the_floor_never_falls(void **state)
{
    (void)state;
    fences f;
    fences_start(&f, 5000);
    fences_add(&f, 100, 1000);
    assert_int_equal(floor_by(&f, "150:400:150"), 5000);
    fences_add(&f, 200, 6000);
    assert_int_equal(floor_by(&f, "250:400:250"), 6000);
    assert_int_equal(floor_by(&f, "120:400:120"), 6000);
}

/* However many fences there were: the floor is one of theirs, and never one above the newest that xmin allows. */
static void a_full_list_is_thinned_and_stays_right(void **state)
{
    (void)state;
    fences f;
    fences_start(&f, 0);
    for (uint64_t x = 1; x <= 5000; x++)
        fences_add(&f, x * 10, (int64_t)x);
    assert_true(f.n <= FENCES_MOST);
    for (uint64_t xmin = 5; xmin < 50000; xmin += 331) {
        char text[64];
        fences copy = f;
        snprintf(text, sizeof text, "%llu:60000:%llu", (unsigned long long)xmin, (unsigned long long)xmin);
        assert_true(floor_by(&copy, text) <= (int64_t)(xmin / 10));
    }
    assert_int_equal(floor_by(&f, "50001:60000:"), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_fences_the_floor_is_what_was_stored),
        cmocka_unit_test(the_newest_fence_at_or_below_xmin_counts),
        cmocka_unit_test(the_floor_never_falls),
        cmocka_unit_test(a_full_list_is_thinned_and_stays_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
