/* The nearest name to a mistyped one. */
#include "cmocka_all.h"

#include <string.h>

#include "nearest.h"

static void distance_counts_single_slips(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"a", "", 1},
        {"", "abc", 3},
        {"page_rows", "page_rows", 0},
        {"page_row", "page_rows", 1},
        {"page_rowss", "page_rows", 1},
        {"page-rows", "page_rows", 1},
        {"page_rwos", "page_rows", 1},
        {"apge_rows", "page_rows", 1},
        {"kitten", "sitting", 3},
        {"ab", "ba", 1},
        {"abc", "ca", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(nearest_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

static void very_long_names_are_near_to_nothing(void **state)
{
    (void)state;
    char long_name[5000];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    nearest best = {0};
    nearest_consider(&best, long_name, "a");
    nearest_consider(&best, "a", long_name);
    assert_null(best.name);
}

static void names_too_far_away_are_not_offered(void **state)
{
    (void)state;
    nearest best = {0};
    nearest_consider(&best, "colour", "brokers");
    nearest_consider(&best, "x", "brokers");
    nearest_consider(&best, "", "brokers");
    assert_null(best.name);
}

static void the_nearest_wins_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const names[] = {"page_bytes", "page_rows", "page_row", "topic_retry_ms"};
    nearest best = {0};
    for (size_t i = 0; i < 4; i++)
        nearest_consider(&best, "page_rowz", names[i]);
    assert_string_equal(best.name, "page_rows");
    assert_int_equal(best.distance, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_single_slips),
        cmocka_unit_test(very_long_names_are_near_to_nothing),
        cmocka_unit_test(names_too_far_away_are_not_offered),
        cmocka_unit_test(the_nearest_wins_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
