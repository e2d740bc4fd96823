/* PostgreSQL's binary arrays, byte by byte. */
#include "cmocka_all.h"

#include <string.h>

#include "array.h"

static void elements_are_framed_as_postgresql_reads_them(void **state)
{
    (void)state;
    static const unsigned char wire[] = {0, 0, 0, 1, 0, 0, 0, 0, 0,   0,   0,   25, 0, 0, 0, 2,
                                         0, 0, 0, 1, 0, 0, 0, 3, 'a', 'b', 'c', 0,  0, 0, 0};
    bytes out = {0};
    array_start(&out, 25, 2);
    array_put(&out, "abc", 3);
    array_put(&out, "", 0);
    assert_false(out.failed);
    assert_int_equal(out.size, sizeof wire);
    assert_memory_equal(out.data, wire, sizeof wire);
    assert_int_equal(ARRAY_HEADER_BYTES + 2 * ARRAY_ELEMENT_BYTES + 3, sizeof wire);
    bytes_done(&out);
}

static void a_null_sets_the_flag_and_takes_a_length_of_minus_one(void **state)
{
    (void)state;
    static const unsigned char wire[] = {0, 0, 0, 1, 0, 0, 0, 1, 0,    0,    0,    17,
                                         0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff};
    bytes out = {0};
    array_start(&out, 17, 1);
    array_put_null(&out);
    assert_int_equal(out.size, sizeof wire);
    assert_memory_equal(out.data, wire, sizeof wire);
    bytes_done(&out);
}

static void an_element_of_more_than_an_int_fails_the_run(void **state)
{
    (void)state;
    bytes out = {0};
    array_start(&out, 17, 1);
    array_put_size(&out, (size_t)INT32_MAX + 1);
    assert_true(out.failed);
    bytes_done(&out);
    array_start(&out, 17, 1);
    array_put(&out, "", SIZE_MAX);
    assert_true(out.failed);
    assert_int_equal(out.size, ARRAY_HEADER_BYTES);
    bytes_done(&out);
}

static void a_failed_run_takes_no_null(void **state)
{
    (void)state;
    bytes out = {.failed = true};
    array_start(&out, 17, 1);
    array_put_null(&out);
    assert_null(out.data);
    assert_true(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_framed_as_postgresql_reads_them),
        cmocka_unit_test(a_null_sets_the_flag_and_takes_a_length_of_minus_one),
        cmocka_unit_test(an_element_of_more_than_an_int_fails_the_run),
        cmocka_unit_test(a_failed_run_takes_no_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
