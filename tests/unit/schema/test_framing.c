/* Framings: what stands before a value. */
#include <stdio.h>

#include "stage.h"

static const char *put(pbus_frame frame)
{
    static char hex[64];
    pbus_buffer out = PBUS_BUFFER_INIT;
    pbus_error err;
    assert_int_equal(pbus_frame_put(&frame, &out, &err), PBUS_OK);
    for (size_t i = 0; i < out.size; i++)
        sprintf(hex + 2 * i, "%02x", out.data[i]);
    hex[2 * out.size] = '\0';
    pbus_buffer_done(&out);
    return hex;
}

static void frames_are_written_as_the_world_reads_them(void **state)
{
    (void)state;
    assert_string_equal(put((pbus_frame){.framing = PBUS_FRAMING_NONE}), "");
    assert_string_equal(put((pbus_frame){.framing = PBUS_FRAMING_CONFLUENT, .schema_id = 0x01020304}),
                        "0001020304");
    assert_string_equal(put((pbus_frame){.framing = PBUS_FRAMING_CONFLUENT, .schema_id = INT32_MAX}),
                        "007fffffff");
    assert_string_equal(
        put((pbus_frame){.framing = PBUS_FRAMING_SINGLE_OBJECT, .fingerprint = UINT64_C(0x63dd24e7cc258f8a)}),
        "c3018a8f25cce724dd63");
}

static void frames_are_read_back(void **state)
{
    (void)state;
    pbus_frame frame;
    pbus_error err;
    assert_int_equal(pbus_frame_read("\0\0\0\1\2x", 6, PBUS_FRAMING_CONFLUENT, &frame, &err), PBUS_OK);
    assert_int_equal(frame.schema_id, 258);
    assert_int_equal(frame.size_bytes, 5);
    assert_int_equal(pbus_frame_read("\xc3\1\x8a\x8f\x25\xcc\xe7\x24\xdd\x63", 10, PBUS_FRAMING_SINGLE_OBJECT,
                                     &frame, &err),
                     PBUS_OK);
    assert_true(frame.fingerprint == UINT64_C(0x63dd24e7cc258f8a));
    assert_int_equal(frame.size_bytes, 10);
    assert_int_equal(pbus_frame_read(NULL, 0, PBUS_FRAMING_NONE, &frame, &err), PBUS_OK);
    assert_int_equal(frame.size_bytes, 0);
}

static void what_is_not_so_framed_is_refused_with_what_it_looks_like(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t size;
        pbus_framing expected;
        const char *part;
    } cases[] = {
        {"nothing", "", 0, PBUS_FRAMING_CONFLUENT, "has 0 bytes, and Confluent's framing alone takes 5"},
        {"four bytes", "\0\0\0\1", 4, PBUS_FRAMING_CONFLUENT, "has 4 bytes"},
        {"nine bytes", "\xc3\1abcdefg", 9, PBUS_FRAMING_SINGLE_OBJECT, "takes 10"},
        {"another magic", "\1\0\0\0\1", 5, PBUS_FRAMING_CONFLUENT,
         "begins with 0x01 0x00, which is not Confluent's framing"},
        {"a negative id", "\0\xff\xff\xff\xff", 5, PBUS_FRAMING_CONFLUENT, "begins with 0x00 0xFF"},
        {"JSON", "{\"a\":1}", 7, PBUS_FRAMING_CONFLUENT, "begins with 0x7B 0x22"},
        {"single object", "\xc3\1abcdefgh", 10, PBUS_FRAMING_CONFLUENT,
         "which is Avro's single-object framing and not Confluent's framing"},
        {"Confluent's", "\0\0\0\0\1abcdefgh", 13, PBUS_FRAMING_SINGLE_OBJECT,
         "which is Confluent's framing and not"},
        {"another version of single object", "\xc3\2abcdefgh", 10, PBUS_FRAMING_SINGLE_OBJECT,
         "begins with 0xC3 0x02"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbus_frame frame = {.schema_id = 77};
        pbus_error err;
        assert_int_equal(pbus_frame_read(cases[i].bytes, cases[i].size, cases[i].expected, &frame, &err),
                         PBUS_ERROR_FRAMING);
        if (!strstr(err.message, cases[i].part))
            fail_msg("%s: %s", cases[i].name, err.message);
        assert_int_equal(frame.schema_id, 77);
    }
}

static void a_guess_names_the_frame_or_none(void **state)
{
    (void)state;
    assert_int_equal(pbus_frame_guess("\0\0\0\0\1", 5).framing, PBUS_FRAMING_CONFLUENT);
    assert_int_equal(pbus_frame_guess("\xc3\1abcdefgh", 10).framing, PBUS_FRAMING_SINGLE_OBJECT);
    assert_int_equal(pbus_frame_guess("{\"a\":1}", 7).framing, PBUS_FRAMING_NONE);
    assert_int_equal(pbus_frame_guess(NULL, 0).framing, PBUS_FRAMING_NONE);
    assert_int_equal(pbus_frame_guess("\0\0\0\0", 4).framing, PBUS_FRAMING_NONE);
    assert_int_equal(pbus_frame_guess("\xc3\1abcdefg", 9).framing, PBUS_FRAMING_NONE);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    pbus_buffer out = PBUS_BUFFER_INIT;
    pbus_frame frame = {.framing = PBUS_FRAMING_CONFLUENT, .schema_id = -1};
    pbus_error err;
    assert_int_equal(pbus_frame_put(&frame, &out, &err), PBUS_ERROR_ARGUMENT);
    frame.framing = (pbus_framing)3;
    assert_int_equal(pbus_frame_put(&frame, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_frame_put(NULL, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_frame_put(&frame, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_frame_read("", 0, (pbus_framing)3, &frame, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_frame_read("", 0, PBUS_FRAMING_NONE, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_frame_read(NULL, 1, PBUS_FRAMING_CONFLUENT, &frame, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_written_as_the_world_reads_them),
        cmocka_unit_test(frames_are_read_back),
        cmocka_unit_test(what_is_not_so_framed_is_refused_with_what_it_looks_like),
        cmocka_unit_test(a_guess_names_the_frame_or_none),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
