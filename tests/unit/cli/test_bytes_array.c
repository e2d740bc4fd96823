/* bytea[] in binary, byte by byte. */
#include "cmocka_all.h"

#include <string.h>

#include "bytes_array.h"

static void elements_follow_the_header_with_their_lengths(void **state)
{
    (void)state;
    static const unsigned char expected[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0,   0, 17, 0, 0, 0,
                                             2, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 0, 0,  0, 0, 0};
    bytes_array array = {0};
    assert_true(bytes_array_add(&array, "a\0", 2));
    assert_true(bytes_array_add(&array, NULL, 0));
    int size;
    const char *param = bytes_array_param(&array, &size);
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(param, expected, sizeof expected);
    bytes_array_done(&array);
}

static void an_array_without_elements_has_a_header(void **state)
{
    (void)state;
    bytes_array array = {0};
    int size;
    assert_non_null(bytes_array_param(&array, &size));
    assert_int_equal(size, 20);
    bytes_array_done(&array);
}

static void a_cleared_array_begins_anew(void **state)
{
    (void)state;
    bytes_array array = {0};
    for (int i = 0; i < 1000; i++)
        assert_true(bytes_array_add(&array, "0123456789", 10));
    bytes_array_clear(&array);
    assert_true(bytes_array_add(&array, "x", 1));
    int size;
    const char *param = bytes_array_param(&array, &size);
    assert_int_equal(size, 25);
    assert_int_equal(param[15], 1);
    assert_int_equal(param[24], 'x');
    bytes_array_done(&array);
}

static void elements_too_large_for_postgresql_are_refused(void **state)
{
    (void)state;
    bytes_array array = {0};
    assert_false(bytes_array_add(&array, "x", (size_t)INT32_MAX + 1));
    assert_int_equal(array.n, 0);
    bytes_array_done(&array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_follow_the_header_with_their_lengths),
        cmocka_unit_test(an_array_without_elements_has_a_header),
        cmocka_unit_test(a_cleared_array_begins_anew),
        cmocka_unit_test(elements_too_large_for_postgresql_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
