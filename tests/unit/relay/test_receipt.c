/* A receipt's arrays, byte by byte as PostgreSQL's array_recv takes them. */
#include "cmocka_all.h"
#include "receipt.h"

#include <stdlib.h>
#include <string.h>

static row sent(int64_t id, int32_t partition, int64_t offset)
{
    return (row){.id = id, .partition = partition, .offset = offset, .state = ROW_ACKED};
}

static void expect_bytes(const char *found, int found_size, const char *expected, size_t size)
{
    assert_int_equal(found_size, size);
    assert_memory_equal(found, expected, size);
}

#define EXPECT(found, expected) expect_bytes((found), found##_size, (expected), sizeof(expected) - 1)

/* dimensions, has NULLs, type, elements, lower bound */
#define HEAD(oid, n)                                                                                         \
    "\0\0\0\1"                                                                                               \
    "\0\0\0\0"                                                                                               \
    "\0\0\0" oid "\0\0\0" n "\0\0\0\1"
#define INT8 "\x14"
#define INT4 "\x17"
#define OF8 "\0\0\0\x08"
#define OF4 "\0\0\0\x04"

static void no_rows_are_arrays_without_elements(void **state)
{
    (void)state;
    receipt r;
    assert_true(receipt_pack(&r, NULL, 0));
    EXPECT(r.ids, HEAD(INT8, "\0"));
    EXPECT(r.partitions, HEAD(INT4, "\0"));
    EXPECT(r.offsets, HEAD(INT8, "\0"));
    receipt_done(&r);
}

static void one_row_is_one_element_of_each(void **state)
{
    (void)state;
    const row rows[] = {sent(0x0102030405060708, 0x0a0b0c0d, 0x1112131415161718)};
    receipt r;
    assert_true(receipt_pack(&r, rows, 1));
    EXPECT(r.ids, HEAD(INT8, "\1") OF8 "\x01\x02\x03\x04\x05\x06\x07\x08");
    EXPECT(r.partitions, HEAD(INT4, "\1") OF4 "\x0a\x0b\x0c\x0d");
    EXPECT(r.offsets, HEAD(INT8, "\1") OF8 "\x11\x12\x13\x14\x15\x16\x17\x18");
    receipt_done(&r);
}

static void the_smallest_and_the_largest_values_are_kept(void **state)
{
    (void)state;
    const row rows[] = {sent(1, 0, 0), sent(INT64_MAX, INT32_MAX, INT64_MAX), sent(INT64_MIN, -1, -1001)};
    receipt r;
    assert_true(receipt_pack(&r, rows, 3));
    EXPECT(r.ids, HEAD(INT8, "\3") OF8 "\0\0\0\0\0\0\0\1" OF8 "\x7f\xff\xff\xff\xff\xff\xff\xff" OF8
                                       "\x80\0\0\0\0\0\0\0");
    EXPECT(r.partitions, HEAD(INT4, "\3") OF4 "\0\0\0\0" OF4 "\x7f\xff\xff\xff" OF4 "\xff\xff\xff\xff");
    EXPECT(r.offsets, HEAD(INT8, "\3") OF8 "\0\0\0\0\0\0\0\0" OF8 "\x7f\xff\xff\xff\xff\xff\xff\xff" OF8
                                           "\xff\xff\xff\xff\xff\xff\xfc\x17");
    receipt_done(&r);
}

static uint64_t big_endian(const char *p, int size)
{
    uint64_t n = 0;
    for (int i = 0; i < size; i++)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

/* More than one byte of the count is used, and the arrays lie beside each other without a gap. */
static void many_rows_keep_their_order_and_the_arrays_do_not_touch_each_other(void **state)
{
    (void)state;
    enum { N = 10000, HEAD_SIZE = 20 };
    row *rows = calloc(N, sizeof *rows);
    assert_non_null(rows);
    for (int i = 0; i < N; i++)
        rows[i] = sent(7000000000 + i, i % 12, 3 * (int64_t)i);
    receipt r;
    assert_true(receipt_pack(&r, rows, N));
    assert_int_equal(r.ids_size, HEAD_SIZE + 12 * N);
    assert_int_equal(r.partitions_size, HEAD_SIZE + 8 * N);
    assert_int_equal(r.offsets_size, HEAD_SIZE + 12 * N);
    assert_int_equal(big_endian(r.ids + 12, 4), N);
    assert_int_equal(big_endian(r.partitions + 12, 4), N);
    assert_int_equal(big_endian(r.offsets + 12, 4), N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(big_endian(r.ids + HEAD_SIZE + 12 * i, 4), 8);
        assert_int_equal(big_endian(r.ids + HEAD_SIZE + 12 * i + 4, 8), rows[i].id);
        assert_int_equal(big_endian(r.partitions + HEAD_SIZE + 8 * i, 4), 4);
        assert_int_equal(big_endian(r.partitions + HEAD_SIZE + 8 * i + 4, 4), rows[i].partition);
        assert_int_equal(big_endian(r.offsets + HEAD_SIZE + 12 * i, 4), 8);
        assert_int_equal(big_endian(r.offsets + HEAD_SIZE + 12 * i + 4, 8), rows[i].offset);
    }
    receipt_done(&r);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rows_are_arrays_without_elements),
        cmocka_unit_test(one_row_is_one_element_of_each),
        cmocka_unit_test(the_smallest_and_the_largest_values_are_kept),
        cmocka_unit_test(many_rows_keep_their_order_and_the_arrays_do_not_touch_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
