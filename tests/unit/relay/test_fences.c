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

/* A hundred thousand reads, of which a relay makes three thousand a second: each transaction, however old, finds a fence that is little older. */
static void an_old_transaction_finds_a_fence_that_is_little_older(void **state)
{
    (void)state;
    enum { N = 100000 };
    fences f;
    fences_start(&f, 0);
    for (uint64_t x = 1; x <= N; x++)
        fences_add(&f, x, (int64_t)x);
    for (int64_t age = 1; age < N; age = age * 3 / 2 + 1) {
        char text[64];
        fences copy = f;
        snprintf(text, sizeof text, "%lld:%d:%lld", (long long)(N - age), N, (long long)(N - age));
        assert_in_range(floor_by(&copy, text), N - age - age / 4 - 1 > 0 ? N - age - age / 4 - 1 : 0,
                        N - age);
    }
}

static void over_all_xids_there_are_the_list_stays_as_long(void **state)
{
    (void)state;
    fences f;
    fences_start(&f, 0);
    for (uint64_t x = 1; x < (uint64_t)1 << 62; x += 1 + x / 1000)
        fences_add(&f, x, (int64_t)x);
    assert_true(f.n <= FENCES_MOST);
    for (int i = 1; i < f.n; i++)
        assert_true(f.list[i].x > f.list[i - 1].x);
}

static void reads_between_which_nobody_took_an_xid_share_a_fence(void **state)
{
    (void)state;
    fences f;
    fences_start(&f, 0);
    fences_add(&f, 100, 1000);
    fences_add(&f, 100, 1000);
    fences_add(&f, 100, 1001); /* an id that a transaction drew which has its xid already */
    assert_int_equal(f.n, 1);
    assert_int_equal(floor_by(&f, "100:400:"), 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_transaction_finds_a_fence_that_is_little_older),
        cmocka_unit_test(over_all_xids_there_are_the_list_stays_as_long),
        cmocka_unit_test(reads_between_which_nobody_took_an_xid_share_a_fence),
        cmocka_unit_test(without_fences_the_floor_is_what_was_stored),
        cmocka_unit_test(the_newest_fence_at_or_below_xmin_counts),
        cmocka_unit_test(the_floor_never_falls),
        cmocka_unit_test(a_full_list_is_thinned_and_stays_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
