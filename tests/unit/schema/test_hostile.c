/* Bytes that mean harm: an error, within bounds, whatever they hold. */
#include <stdio.h>
#include <stdlib.h>

#include "stage.h"

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values) "{\"type\":\"map\",\"values\":" values "}"
#define HUGE_COUNT "80 80 80 80 80 80 80 80 20" /* 2^60 */

static void each_kind_of_harm_is_an_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *name, *schema, *bytes, *status, *part;
    } cases[] = {
        {"nothing for an int", "\"int\"", "", "CORRUPT",
         "the value: the bytes end within a number (at byte 0)"},
        {"an int cut off", "\"int\"", "80", "CORRUPT", "the bytes end within a number"},
        {"an int of more than 32 bits", "\"int\"", "80 80 80 80 10", "CORRUPT",
         "2147483648 is no int of 32 bits"},
        {"an int of six bytes", "\"int\"", "ff ff ff ff ff 7f", "CORRUPT", "no int of 32 bits"},
        {"a long of eleven bytes", "\"long\"", "80 80 80 80 80 80 80 80 80 80 00", "CORRUPT",
         "more than 64 bits"},
        {"a long whose tenth byte is too large", "\"long\"", "ff ff ff ff ff ff ff ff ff 02", "CORRUPT",
         "more than 64 bits"},
        {"a varint without an end", "\"long\"", "ff ff ff ff ff ff ff ff ff ff ff ff", "CORRUPT",
         "more than 64 bits"},
        {"bytes left over", "\"int\"", "02 02", "CORRUPT", "1 bytes are left over (at byte 1)"},
        {"bytes behind null", "\"null\"", "00", "CORRUPT", "1 bytes are left over"},
        {"a boolean of 2", "\"boolean\"", "02", "CORRUPT", "a boolean is 2, neither 0 nor 1"},
        {"no boolean", "\"boolean\"", "", "CORRUPT", "1 bytes are said to follow, and 0 do"},
        {"a float cut off", "\"float\"", "00 00 00", "CORRUPT", "4 bytes are said to follow, and 3 do"},
        {"a double cut off", "\"double\"", "00 00 00 00 00 00 00", "CORRUPT",
         "8 bytes are said to follow, and 7 do"},
        {"a string of a negative length", "\"string\"", "01 61", "CORRUPT", "a length is -1"},
        {"a string of the most negative length", "\"string\"", "ff ff ff ff ff ff ff ff ff 01", "CORRUPT",
         "a length is -9223372036854775808"},
        {"a string longer than the bytes", "\"string\"", "06 61 62", "CORRUPT",
         "3 bytes are said to follow, and 2 do"},
        {"a string of 2^62 bytes", "\"string\"", "80 80 80 80 80 80 80 80 80 01", "CORRUPT",
         "are said to follow, and 0 do"},
        {"bytes of a huge length", "\"bytes\"", "fe ff ff ff ff ff ff ff ff 01", "CORRUPT",
         "9223372036854775807 bytes are said to follow"},
        {"a string that is no UTF-8", "\"string\"", "04 61 ff", "CORRUPT", "no UTF-8 at its byte 1"},
        {"a surrogate", "\"string\"", "06 ed a0 80", "CORRUPT", "no UTF-8 at its byte 0"},
        {"an overlong NUL", "\"string\"", "04 c0 80", "CORRUPT", "no UTF-8"},
        {"a fixed cut off", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "00 00", "CORRUPT",
         "3 bytes are said to follow, and 2 do"},
        {"a symbol too high", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "02", "CORRUPT",
         "there is no symbol 1; there are 1"},
        {"a negative symbol", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "01", "CORRUPT",
         "there is no symbol -1"},
        {"an enum without symbols", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}", "00", "CORRUPT",
         "there is no symbol 0; there are 0"},
        {"a branch too high", "[\"null\",\"int\"]", "04", "CORRUPT", "there is no branch 2; there are 2"},
        {"a negative branch", "[\"null\",\"int\"]", "01", "CORRUPT", "there is no branch -1"},
        {"a union without branches", "[]", "00", "CORRUPT", "there is no branch 0"},
        {"a branch of 2^32", "[\"null\",\"int\"]", "80 80 80 80 20", "CORRUPT", "no int of 32 bits"},
        {"an array without an end", ARRAY("\"int\""), "02 02", "CORRUPT", "the bytes end within a number"},
        {"an array of more items than bytes", ARRAY("\"int\""), "08 02 02 00", "CORRUPT",
         "4 items are said to follow in 3 bytes"},
        {"an array of 2^60 ints", ARRAY("\"int\""), HUGE_COUNT " 00", "CORRUPT",
         "1152921504606846976 items are said to follow in 1 bytes"},
        {"an array of 2^60 nulls", ARRAY("\"null\""), HUGE_COUNT " 00", "LIMIT",
         "1152921504606846976 items are more than the limit allows"},
        {"an array of 2^60 empty records", ARRAY(R("")), HUGE_COUNT " 00", "LIMIT",
         "more than the limit allows"},
        {"an array of 2^60 fixeds of no bytes", ARRAY("{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}"),
         HUGE_COUNT " 00", "LIMIT", "more than the limit allows"},
        {"an array of 16777216 nulls", ARRAY("\"null\""), "80 80 80 10 00", "LIMIT",
         "more than the limit allows"},
        {"blocks of nulls that together are too many", ARRAY("\"null\""),
         "80 80 80 08 80 80 80 08 80 80 80 08 00", "LIMIT", "more than the limit allows"},
        {"a block of the most negative count", ARRAY("\"int\""), "ff ff ff ff ff ff ff ff ff 01 00 00",
         "CORRUPT", "9223372036854775808 items are said to follow"},
        {"a block of a negative size", ARRAY("\"int\""), "01 01 02 00", "CORRUPT",
         "a block is said to take -1 bytes"},
        {"a block larger than the bytes", ARRAY("\"int\""), "01 08 02 00", "CORRUPT",
         "a block is said to take 4 bytes, and 2 follow"},
        {"a block that ends earlier", ARRAY("\"int\""), "01 04 02 00", "CORRUPT",
         "a block does not end where it is said to"},
        {"a block that ends later", ARRAY("\"string\""), "01 02 04 61 62 00", "CORRUPT",
         "a block does not end where it is said to"},
        {"within an array", ARRAY("\"boolean\""), "06 00 01 07 00", "CORRUPT", "[2]: a boolean is 7"},
        {"within a map", MAP("\"boolean\""), "02 02 6b 05 00", "CORRUPT", "[\"k\"]: a boolean is 5"},
        {"a map of 2^60 nulls", MAP("\"null\""), HUGE_COUNT " 00", "CORRUPT",
         "items are said to follow in 1 bytes"},
        {"a key that is no UTF-8", MAP("\"int\""), "02 02 ff 02 00", "CORRUPT", "no UTF-8"},
        {"a key of a negative length", MAP("\"int\""), "02 03 6b 02 00", "CORRUPT", "a length is -2"},
        {"a map without an end", MAP("\"int\""), "02 02 6b 02", "CORRUPT", "the bytes end"},
        {"within records",
         R("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":{\"type\":\"record\",\"name\":\"S\","
           "\"fields\":[{\"name\":\"c\",\"type\":\"boolean\"}]}}"),
         "02 09", "CORRUPT", "b.c: a boolean is 9"},
        {"a record of itself", R("{\"name\":\"a\",\"type\":\"R\"}"), "00", "LIMIT",
         "nested deeper than the limit allows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        stage_expect_failure(cases[i].name,
                             stage_decode(cases[i].schema, cases[i].schema, cases[i].bytes, PBUS_JSON_AVRO),
                             cases[i].status, cases[i].part);
}

/* What is skipped is looked at as well: the reader has none of the fields. */
static void harm_in_what_is_skipped_is_found_too(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type, *bytes, *status, *part;
    } cases[] = {
        {"int", "\"int\"", "80", "CORRUPT", "f: the bytes end within a number"},
        {"boolean", "\"boolean\"", "02", "CORRUPT", "f: a boolean is 2"},
        {"string", "\"string\"", "01", "CORRUPT", "f: a length is -1"},
        {"long string", "\"string\"", "fe ff ff ff ff ff ff ff ff 01", "CORRUPT",
         "f: 9223372036854775807 bytes"},
        {"float", "\"float\"", "00", "CORRUPT", "f: 4 bytes"},
        {"fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":9}", "00", "CORRUPT", "f: 9 bytes"},
        {"enum", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "02", "CORRUPT",
         "f: there is no symbol 1"},
        {"union", "[\"null\"]", "02", "CORRUPT", "f: there is no branch 1"},
        {"nulls", ARRAY("\"null\""), HUGE_COUNT " 00", "LIMIT", "f: 1152921504606846976 items"},
        {"array cut off", ARRAY("\"int\""), "02", "CORRUPT", "f: 1 items are said to follow in 0 bytes"},
        {"block beyond the bytes", ARRAY("\"int\""), "01 7e", "CORRUPT",
         "f: a block is said to take 63 bytes"},
        {"record of itself",
         "{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"a\",\"type\":\"S\"}]}", "", "LIMIT",
         "nested deeper"},
        {"map key", MAP("\"null\""), "02 05", "CORRUPT", "f: a length is -3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char writer[512];
        snprintf(writer, sizeof writer, R("{\"name\":\"f\",\"type\":%s}"), cases[i].type);
        stage_expect_failure(cases[i].name, stage_decode(writer, R(""), cases[i].bytes, PBUS_JSON_AVRO),
                             cases[i].status, cases[i].part);
    }
}

static void blocks_of_said_size_are_read_and_jumped_over(void **state)
{
    (void)state;
    assert_string_equal(
        stage_decode(ARRAY("\"int\""), ARRAY("\"int\""), "03 04 02 04 01 02 06 00", PBUS_JSON_AVRO),
        "[1,2,3]");
    assert_string_equal(
        stage_decode(ARRAY("\"int\""), ARRAY("\"int\""), "02 02 02 04 02 06 00", PBUS_JSON_AVRO), "[1,2,3]");
    assert_string_equal(stage_decode(ARRAY("\"int\""), ARRAY("\"int\""), "02 02 02 04 00", PBUS_JSON_AVRO),
                        "[1,2]");
    const char *writer =
        R("{\"name\":\"f\",\"type\":" ARRAY("\"int\"") "},{\"name\":\"g\",\"type\":\"int\"}");
    assert_string_equal(
        stage_decode(writer, R("{\"name\":\"g\",\"type\":\"int\"}"), "03 04 ff ff 00 0e", PBUS_JSON_AVRO),
        "{\"g\":7}");
    assert_string_equal(stage_decode(MAP("\"int\""), MAP("\"int\""), "01 06 02 6b 02 00", PBUS_JSON_AVRO),
                        "{\"k\":1}");
}

/* Thirty-one records, each of two of the one before: a value of no bytes that has two billion parts. */
static void values_of_no_bytes_are_counted(void **state)
{
    (void)state;
    char text[8192], *at = text;
    at += sprintf(at, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}");
    for (int i = 1; i < 31; i++)
        at += sprintf(at,
                      ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":\"R%d\"},{"
                      "\"name\":\"b\",\"type\":\"R%d\"}]}",
                      i, i - 1, i - 1);
    strcpy(at, "]");
    stage_expect_failure("shown", stage_decode(text, text, "3c", PBUS_JSON_PLAIN), "LIMIT",
                         "more values than the limit allows");
    char writer[9000];
    snprintf(writer, sizeof writer,
             "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\",\"type\":%s}]}", text);
    stage_expect_failure("skipped", stage_decode(writer, R(""), "3c", PBUS_JSON_PLAIN), "LIMIT",
                         "more values than the limit allows");
}

static pbus_status count(void *context, const pbus_datum *datum)
{
    (void)datum;
    ++*(size_t *)context;
    return PBUS_OK;
}

static void limits_are_the_callers(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema(
        "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}");
    pbus_decode_limits limits = PBUS_DECODE_LIMITS_INIT;
    pbus_decoder *decoder = NULL;
    pbus_error err;
    size_t n = 0;
    limits.max_depth = 3; /* unions do not count */
    assert_int_equal(pbus_decoder_new(schema, schema, &limits, &decoder, &err), PBUS_OK);
    assert_int_equal(pbus_decoder_visit(decoder, "\2\2\0", 3, count, &n, &err), PBUS_ERROR_LIMIT);
    assert_int_equal(pbus_decoder_visit(decoder, "\2\0", 2, count, &n, &err), PBUS_OK);
    pbus_decoder_free(decoder);
    limits.max_depth = 0;
    limits.max_values = 7;
    assert_int_equal(pbus_decoder_new(schema, schema, &limits, &decoder, &err), PBUS_OK);
    assert_int_equal(pbus_decoder_visit(decoder, "\2\2\0", 3, count, &n, &err), PBUS_ERROR_LIMIT);
    assert_int_equal(pbus_decoder_visit(decoder, "\0", 1, count, &n, &err), PBUS_OK);
    pbus_decoder_free(decoder);
    limits.max_depth = PBUS_SCHEMA_MAX_DEPTH + 1;
    assert_int_equal(pbus_decoder_new(schema, schema, &limits, &decoder, &err), PBUS_ERROR_ARGUMENT);
    limits.size = 1;
    assert_int_equal(pbus_decoder_new(schema, schema, &limits, &decoder, &err), PBUS_ERROR_ARGUMENT);
    pbus_schema_free(schema);
}

/* Every one of k records of one short name meets every one of k others, and their many fields are of one type: few pairs, of much each. */
static char *meeting(const char *space, int k, int n_fields, bool is_writer)
{
    char *text = malloc(PBUS_SCHEMA_MAX_BYTES + 1), *at = text;
    assert_non_null(text);
    at += sprintf(
        at, "{\"type\":\"record\",\"name\":\"Root\",\"fields\":[{\"name\":\"e\",\"type\":{\"type\":\"enum\","
            "\"name\":\"e.E\",\"symbols\":[]}}");
    if (is_writer)
        at += sprintf(
            at, ",{\"name\":\"u\",\"type\":{\"type\":\"record\",\"name\":\"U\",\"fields\":[{\"name\":\"u\","
                "\"type\":[");
    for (int i = 0; i < k; i++) {
        if (!is_writer)
            at += sprintf(
                at,
                ",{\"name\":\"g%d\",\"type\":{\"type\":\"record\",\"name\":\"n%d.U\",\"fields\":[{\"name\":"
                "\"u\",\"type\":",
                i, i);
        at += sprintf(at, "%s{\"type\":\"record\",\"name\":\"%s%d.X\",\"fields\":[",
                      is_writer && i ? "," : "", space, i);
        for (int j = 0; j < n_fields; j++)
            at += sprintf(at, "%s{\"name\":\"f%d\",\"type\":\"e.E\"}", j ? "," : "", j);
        at += sprintf(at, is_writer ? "]}" : "]}}]}}");
    }
    if (is_writer)
        at += sprintf(at, "]}]}}");
    for (int i = 0; i < k && is_writer; i++)
        at += sprintf(at, ",{\"name\":\"g%d\",\"type\":\"U\"}", i);
    sprintf(at, "]}");
    return text;
}

/* A union of so many enums, each with so many aliases. */
static char *union_of_enums(const char *name, int k, int n_aliases)
{
    char *text = malloc(PBUS_SCHEMA_MAX_BYTES + 1), *at = text;
    assert_non_null(text);
    for (int i = 0; i < k; i++) {
        at += sprintf(at, "%c{\"type\":\"enum\",\"name\":\"%s%d\",\"symbols\":[],\"aliases\":[",
                      i ? ',' : '[', name, i);
        for (int j = 0; j < n_aliases; j++)
            at += sprintf(at, "%s\"q\"", j ? "," : "");
        at += sprintf(at, "]}");
    }
    sprintf(at, "]");
    return text;
}

static void expect_a_limit(char *writer_text, char *reader_text, const char *part)
{
    pbus_schema *writer = stage_schema(writer_text), *reader = stage_schema(reader_text);
    pbus_decoder *decoder = NULL;
    pbus_error err;
    assert_int_equal(pbus_decoder_new(writer, reader, NULL, &decoder, &err), PBUS_ERROR_LIMIT);
    assert_non_null(strstr(err.message, part));
    const pbus_schema *earlier = writer;
    assert_int_equal(pbus_schema_compare(reader, &earlier, 1, PBUS_COMPATIBILITY_BACKWARD, NULL, &err),
                     PBUS_ERROR_LIMIT);
    pbus_incompatibilities shifts = {.n_items = 7};
    assert_int_equal(
        pbus_schema_compare_meaning(reader, &earlier, 1, PBUS_COMPATIBILITY_BACKWARD, &shifts, &err),
        PBUS_ERROR_LIMIT);
    assert_non_null(strstr(err.message, part));
    assert_int_equal(shifts.n_items, 7);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
    free(writer_text);
    free(reader_text);
}

/* Texts within their limit would otherwise ask for a gigabyte, and for billions of comparisons. */
static void schemas_that_meet_in_too_many_ways_are_refused(void **state)
{
    (void)state;
    expect_a_limit(meeting("a", 200, 100, true), meeting("b", 200, 100, false), "more than 67108864 bytes");
    expect_a_limit(union_of_enums("W", 4000, 0), union_of_enums("R", 4000, 0), "20000000 comparisons");
    expect_a_limit(union_of_enums("W", 100, 0), union_of_enums("R", 100, 2000), "20000000 comparisons");
}

/* A shift in each of so many fields; and one that is met again and again within itself. */
static void shifts_of_meaning_are_told_up_to_a_bound(void **state)
{
    (void)state;
    char text[2][200000];
    for (int i = 0; i < 2; i++) {
        char *at = text[i];
        at += sprintf(
            at,
            "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"R\"]}");
        for (int j = 0; j < 1001; j++)
            at += sprintf(at,
                          ",{\"name\":\"f%d\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-%s\"}}",
                          j, i ? "micros" : "millis");
        strcpy(at, "]}");
    }
    pbus_schema *writer = stage_schema(text[0]), *reader = stage_schema(text[1]);
    const pbus_schema *earlier = writer;
    pbus_incompatibilities shifts = {0};
    pbus_error err;
    assert_int_equal(pbus_schema_compare_meaning(reader, &earlier, 1, PBUS_COMPATIBILITY_FULL, &shifts, &err),
                     PBUS_OK);
    assert_int_equal(shifts.n_items, 1000);
    assert_string_equal(shifts.items[0].path, "f0");
    pbus_incompatibilities_done(&shifts);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
}

static pbus_status end_at_item(void *context, const pbus_datum *datum)
{
    (void)context;
    return datum->kind == PBUS_DATUM_ITEM ? PBUS_ERROR_BUSY : PBUS_OK;
}

static void a_visitor_ends_the_decoding_when_it_wants(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema(ARRAY("\"int\""));
    pbus_decoder *decoder = NULL;
    pbus_error err;
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoder, &err), PBUS_OK);
    pbus_schema_free(schema);
    assert_int_equal(pbus_decoder_visit(decoder, "\2\2\0", 3, end_at_item, NULL, &err), PBUS_ERROR_BUSY);
    assert_int_equal(err.status, PBUS_ERROR_BUSY);
    assert_int_equal(pbus_decoder_visit(decoder, "\2\2\0", 3, NULL, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_visit(decoder, NULL, 3, end_at_item, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_visit(NULL, "", 0, end_at_item, NULL, &err), PBUS_ERROR_ARGUMENT);
    pbus_decoder_free(decoder);
    pbus_decoder_free(NULL);
}

/* Every prefix and every single changed byte of a good value: an error or a value, never more (for sanitizers to watch). */
static void no_change_of_a_byte_breaks_the_decoder(void **state)
{
    (void)state;
    pbus_schema *schema =
        stage_schema(R("{\"name\":\"a\",\"type\":[\"null\",\"string\"]},{\"name\":\"b\",\"type\":" ARRAY(
            "[\"int\",\"bytes\"]") "},"
                                   "{\"name\":\"c\",\"type\":" MAP(
                                       "\"double\"") "},{\"name\":\"d\",\"type\":[\"null\",\"R\"]}"));
    pbus_schema *reader = stage_schema(
        R("{\"name\":\"c\",\"type\":" MAP("\"double\"") "},{\"name\":\"d\",\"type\":[\"null\",\"R\"]}"));
    const char *json = "{\"a\":\"h\xc3\xa9llo\",\"b\":[1,{\"bytes\":\"AAEC\"}],\"c\":{\"k\":1.5},\"d\":{"
                       "\"a\":null,\"b\":[],\"c\":{},\"d\":null}}";
    pbus_buffer bytes = PBUS_BUFFER_INIT, out = PBUS_BUFFER_INIT;
    pbus_decoder *decoders[2];
    pbus_error err;
    assert_int_equal(pbus_schema_encode_json(schema, json, strlen(json), PBUS_JSON_PLAIN, &bytes, &err),
                     PBUS_OK);
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoders[0], &err), PBUS_OK);
    assert_int_equal(pbus_decoder_new(schema, reader, NULL, &decoders[1], &err), PBUS_OK);
    for (size_t size = 0; size <= bytes.size; size++)
        for (size_t at = 0; at < size; at++)
            for (int byte = 0; byte < 256; byte += 5) {
                unsigned char *exact = malloc(size);
                assert_non_null(exact);
                memcpy(exact, bytes.data, size);
                exact[at] = (unsigned char)byte;
                for (int i = 0; i < 2; i++) {
                    out.size = 0;
                    pbus_status status =
                        pbus_decoder_json(decoders[i], exact, size, PBUS_JSON_AVRO, &out, &err);
                    assert_true(status == PBUS_OK || status == PBUS_ERROR_CORRUPT ||
                                status == PBUS_ERROR_LIMIT);
                    assert_true(status == PBUS_OK || out.size == 0);
                }
                free(exact);
            }
    pbus_decoder_free(decoders[0]);
    pbus_decoder_free(decoders[1]);
    pbus_buffer_done(&bytes);
    pbus_buffer_done(&out);
    pbus_schema_free(schema);
    pbus_schema_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_harm_is_an_error_with_its_place),
        cmocka_unit_test(harm_in_what_is_skipped_is_found_too),
        cmocka_unit_test(blocks_of_said_size_are_read_and_jumped_over),
        cmocka_unit_test(values_of_no_bytes_are_counted),
        cmocka_unit_test(limits_are_the_callers),
        cmocka_unit_test(schemas_that_meet_in_too_many_ways_are_refused),
        cmocka_unit_test(shifts_of_meaning_are_told_up_to_a_bound),
        cmocka_unit_test(a_visitor_ends_the_decoding_when_it_wants),
        cmocka_unit_test(no_change_of_a_byte_breaks_the_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
