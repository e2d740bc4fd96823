/* Runs of bytes: growth, byte order, and failures that stick. */
#include "cmocka_all.h"

#include <string.h>

#include "bytes.h"

static void numbers_are_big_endian(void **state)
{
    (void)state;
    bytes b = {0};
    bytes_put_u32(&b, 0x01020304);
    bytes_put_u32(&b, UINT32_MAX);
    assert_memory_equal(b.data, "\x01\x02\x03\x04\xff\xff\xff\xff", 8);
    assert_true(bytes_get_u64(b.data) == 0x01020304FFFFFFFFu);
    bytes_done(&b);
}

static void a_run_grows_without_losing_a_byte(void **state)
{
    (void)state;
    bytes b = {0};
    for (int i = 0; i < 100000; i++)
        bytes_put_u8(&b, (uint8_t)(i * 7));
    assert_false(b.failed);
    assert_int_equal(b.size, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], (uint8_t)(i * 7));
    bytes_done(&b);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
}

static void a_size_that_overflows_fails_the_run_for_good(void **state)
{
    (void)state;
    bytes b = {0};
    bytes_put(&b, "abc", 3);
    bytes_reserve(&b, SIZE_MAX - 1);
    assert_true(b.failed);
    bytes_put_u32(&b, 7);
    assert_int_equal(b.size, 3);
    assert_memory_equal(b.data, "abc", 3);
    bytes_done(&b);
    assert_false(b.failed);
}

static void memory_that_is_refused_fails_the_run(void **state)
{
    (void)state;
    bytes b = {0};
    bytes_reserve(&b, SIZE_MAX / 2 + 1); /* more than any allocator hands out */
    assert_true(b.failed);
    assert_null(b.data);
    bytes_put_u8(&b, 1);
    assert_int_equal(b.size, 0);
    bytes_done(&b);
}

static void nothing_can_be_put(void **state)
{
    (void)state;
    bytes b = {0};
    bytes_put(&b, NULL, 0);
    assert_false(b.failed);
    assert_int_equal(b.size, 0);
    bytes_done(&b);
    bytes_done(&b);
}

static void a_sum_that_overflows_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    size_t total = SIZE_MAX - 5;
    assert_false(size_add(&total, 6));
    assert_false(size_add(&total, SIZE_MAX));
    assert_true(total == SIZE_MAX - 5);
    assert_true(size_add(&total, 5));
    assert_true(total == SIZE_MAX);
    assert_true(size_add(&total, 0));
    assert_false(size_add(&total, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian),
        cmocka_unit_test(a_run_grows_without_losing_a_byte),
        cmocka_unit_test(a_size_that_overflows_fails_the_run_for_good),
        cmocka_unit_test(memory_that_is_refused_fails_the_run),
        cmocka_unit_test(nothing_can_be_put),
        cmocka_unit_test(a_sum_that_overflows_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
