/* Avro's JSON encoding: the bytes that it stands for, and back; and what does not fit. */
#include <stdio.h>
#include <stdlib.h>

#include "stage.h"

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values) "{\"type\":\"map\",\"values\":" values "}"

static void every_type_has_the_bytes_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *json, *bytes;
        const char *back; /* NULL: as it was */
    } cases[] = {
        {"\"null\"", "null", "", NULL},
        {"\"boolean\"", "true", "01", NULL},
        {"\"boolean\"", "false", "00", NULL},
        /* The table of the specification. */
        {"\"int\"", "0", "00", NULL},
        {"\"int\"", "-1", "01", NULL},
        {"\"int\"", "1", "02", NULL},
        {"\"int\"", "-2", "03", NULL},
        {"\"int\"", "-64", "7f", NULL},
        {"\"int\"", "64", "8001", NULL},
        {"\"int\"", "2147483647", "feffffff0f", NULL},
        {"\"int\"", "-2147483648", "ffffffff0f", NULL},
        {"\"long\"", "9223372036854775807", "feffffffffffffffff01", NULL},
        {"\"long\"", "-9223372036854775808", "ffffffffffffffffff01", NULL},
        {"\"float\"", "1.5", "0000c03f", NULL},
        {"\"float\"", "0.1", "cdcccc3d", NULL},
        {"\"float\"", "-0.0", "00000080", NULL},
        {"\"float\"", "3.4028234663852886e+38", "ffff7f7f", "3.4028235e+38"},
        /* The float of 0x15AE43FD: with fewer digits the nearest double becomes another float. */
        {"\"float\"", "7.0385306918512091e-26", "fd43ae15", "7.0385307e-26"},
        /* Integers of more than 64 bits, as who has only doubles writes them, and a string that looks like one. */
        {"\"double\"", "18446744073709552000", "000000000000f043", "1.8446744073709552e+19"},
        {"\"double\"", "-9223372036854775809", "000000000000e0c3", "-9.223372036854776e+18"},
        {"\"float\"", "100000000000000000000", "ec78ad60", "1e+20"},
        {"{\"type\":\"map\",\"values\":[\"string\",\"double\"]}",
         "{\"18446744073709552000\":{\"string\":\"\\\"18446744073709552000\"},\"b\":{\"double\":"
         "18446744073709552000}}",
         "04283138343436373434303733373039353532303030002a223138343436373434303733373039353532303030"
         "026202000000000000f04300",
         "{\"18446744073709552000\":{\"string\":\"\\\"18446744073709552000\"},\"b\":{\"double\":1."
         "8446744073709552e+19}}"},
        {"\"double\"", "1.5", "000000000000f83f", NULL},
        {"\"double\"", "5e-324", "0100000000000000", "4.94065645841247e-324"},
        {"\"double\"", "1e300", "9c7500883ce4377e", "1e+300"},
        {"\"double\"", "7", "0000000000001c40", "7.0"},
        {"\"double\"", "\"NaN\"", "000000000000f87f", NULL},
        {"\"double\"", "\"-Infinity\"", "000000000000f0ff", NULL},
        {"\"float\"", "\"Infinity\"", "0000807f", NULL},
        {"\"bytes\"", "\"\\u0000\\u00ff\"", "0400ff", NULL},
        {"\"bytes\"", "\"\"", "00", NULL},
        {"\"bytes\"", "\"a\\\"\\\\\\u007f\\u0080\"", "0a61225c7f80", NULL},
        {"\"string\"", "\"foo\"", "06666f6f", NULL},
        {"\"string\"", "\"\\u0000\\n\\u001f\"", "06000a1f", NULL},
        {"\"string\"", "\"\\ud83d\\ude00\"", "08f09f9880", "\"\xf0\x9f\x98\x80\""},
        {"\"string\"", "\"\"", "00", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"\\u0001\\u0002\"", "0102", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}", "\"\"", "", NULL},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\",\"D\"]}", "\"D\"", "06", NULL},
        {R(F("a", "\"long\"") "," F("b", "\"string\"")), "{\"a\":27,\"b\":\"foo\"}", "3606666f6f", NULL},
        {R(""), "{}", "", NULL},
        {ARRAY("\"long\""), "[3,27]", "04063600", NULL},
        {ARRAY("\"long\""), "[]", "00", NULL},
        {MAP("\"long\""), "{\"k\":3}", "02026b0600", NULL},
        {MAP("\"long\""), "{}", "00", NULL},
        {MAP("\"null\""), "{\"\":null}", "020000", NULL},
        {"[\"null\",\"string\"]", "null", "00", NULL},
        {"[\"null\",\"string\"]", "{\"string\":\"a\"}", "020261", NULL},
        {"[\"null\"," R(F("a", "\"int\"")) "]", "{\"R\":{\"a\":1}}", "0202", NULL},
        {"[{\"type\":\"fixed\",\"name\":\"x.F\",\"size\":1},{\"type\":\"fixed\",\"name\":\"y.F\",\"size\":1}"
         "]",
         "{\"y.F\":\"a\"}", "0261", NULL},
        {"[" ARRAY("[\"null\",\"int\"]") "," MAP("\"int\"") "]", "{\"array\":[null,{\"int\":1}]}",
         "000400020200", NULL},
        /* Logical types are as what is beneath. */
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "17", "22", NULL},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "\"\\u0001\"",
         "0201", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *bytes = stage_encode(cases[i].schema, cases[i].json, PBUS_JSON_AVRO);
        if (strcmp(bytes, cases[i].bytes) != 0)
            fail_msg("%s as %s: wanted %s, got %s", cases[i].json, cases[i].schema, cases[i].bytes, bytes);
        const char *back = stage_decode(cases[i].schema, cases[i].schema, cases[i].bytes, PBUS_JSON_AVRO);
        if (strcmp(back, cases[i].back ? cases[i].back : cases[i].json) != 0)
            fail_msg("%s as %s: back came %s", cases[i].json, cases[i].schema, back);
    }
}

static void what_does_not_fit_is_refused_with_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *json, *part;
    } cases[] = {
        {"\"int\"", "", "no JSON"},
        {"\"int\"", "{", "no JSON"},
        {"\"int\"", "1 2", "no JSON"},
        {"\"int\"", "9223372036854775808", "9223372036854775808 is no int"},
        {"\"string\"", "\"\xff\"", "no JSON"},
        {"\"string\"", "\"\\ud800\"", "no JSON"},
        {R(F("a", "\"int\"")), "{\"a\":1,\"a\":2}", "no JSON"},
        {"\"null\"", "0", "the value: 0 is not null"},
        {"\"boolean\"", "1", "1 is neither true nor false"},
        {"\"int\"", "1.0", "1.0 is no int"},
        {"\"int\"", "\"1\"", "\"1\" is no int"},
        {"\"int\"", "true", "true is no int"},
        {"\"int\"", "[]", "an array is no int"},
        {"\"int\"", "2147483648", "2147483648 does not fit an int of 32 bits"},
        {"\"int\"", "-2147483649", "does not fit"},
        {"\"long\"", "1e3", "1e3 is no long"},
        {"\"float\"", "1e39", "too large for a float"},
        {"\"double\"", "\"NaN\\u0000\"", "is no double"},
        {"\"long\"", "9223372036854775808", "9223372036854775808 is no long"},
        {"\"double\"", "[18446744073709552000,]", "the value is no JSON"},
        {"\"double\"", "\x1b", "the value is no JSON: invalid token near ' '"},
        {"\"double\"", "018446744073709552000", "the value is no JSON"},
        {"\"string\"", "[18446744073709552000,\"", "the value is no JSON"},
        {"\"string\"", "[18446744073709552000,\"\\", "the value is no JSON"},
        {"\"float\"", "\"1\"", "\"1\" is no float"},
        {"\"double\"", "\"nan\"", "\"nan\" is no double"},
        {"\"double\"", "null", "null is no double"},
        {"\"bytes\"", "\"\\u0100\"", "above U+00FF"},
        {"\"bytes\"", "[1]", "an array is no string for bytes"},
        {"\"string\"", "5", "5 is no string"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"a\"", "is 1 bytes, and the fixed F has 2"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"abc\"", "is 3 bytes"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "\"B\"",
         "\"B\" is no symbol of the enum E"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "\"A\\u0000\"", "no symbol"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "0", "0 is no symbol"},
        {R(F("a", "\"int\"")), "[]", "an array is no object for the record R"},
        {R(F("a", "\"int\"")), "{}", "a: the field is missing and has no default"},
        {R("{\"name\":\"a\",\"type\":\"int\",\"default\":1}"), "{}",
         "a: the field is missing, and this form has no defaults"},
        {R(F("a", "\"int\"")), "{\"a\":1,\"b\":2}", "the record R has no field \"b\""},
        {ARRAY("\"int\""), "{}", "an object is no array"},
        {ARRAY("\"int\""), "[1,null]", "[1]: null is no int"},
        {MAP("\"int\""), "[]", "an array is no object for a map"},
        {MAP("\"int\""), "{\"a\":\"x\"}", "[\"a\"]: \"x\" is no int"},
        {R(F("l",
             ARRAY(
                 "{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"p\",\"type\":\"double\"}]}"))),
         "{\"l\":[{\"p\":1},{\"p\":\"abc\"}]}", "l[1].p: \"abc\" is no double"},
        {"[\"null\",\"string\"]", "\"a\"", "\"a\" is no union's value; write {\"string\": ...}"},
        {"[\"null\",\"string\"]", "{\"int\":1}", "is no union's value"},
        {"[\"null\",\"string\"]", "{\"string\":\"a\",\"null\":null}", "is no union's value"},
        {"[\"null\",\"string\"]", "{\"string\":1}", "1 is no string"},
        {"[\"int\",\"string\"]", "null", "null fits no branch of the union of int, string"},
        {"[\"null\",\"int\",\"string\"]", "{\"string\":1}", "|string: 1 is no string"},
        {"[\"null\"," R("") "]", "{\"r\":{}}", "is no union's value; write {\"R\": ...}"},
        {"[]", "null", "null fits no branch of the union of nothing"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "\"2026-11-25\"", "is no int"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stage_expect_failure(cases[i].json, stage_encode(cases[i].schema, cases[i].json, PBUS_JSON_AVRO),
                             "MISFIT", cases[i].part);
    }
}

static void a_failure_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema(ARRAY("\"string\""));
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_frame frame = {.framing = PBUS_FRAMING_CONFLUENT, .schema_id = 7};
    pbus_error err;
    assert_int_equal(pbus_frame_put(&frame, &bytes, &err), PBUS_OK);
    assert_int_equal(
        pbus_schema_encode_json(schema, "[\"aaaaaaaaaaaaaaaa\",5]", 22, PBUS_JSON_PLAIN, &bytes, &err),
        PBUS_ERROR_MISFIT);
    assert_int_equal(bytes.size, 5);
    assert_memory_equal(bytes.data, "\0\0\0\0\7", 5);
    assert_int_equal(pbus_schema_encode_json(schema, "[\"a\"]", 5, PBUS_JSON_PLAIN, &bytes, &err), PBUS_OK);
    assert_int_equal(bytes.size, 9);
    assert_memory_equal(bytes.data, "\0\0\0\0\7\2\2a\0", 9);
    pbus_buffer_done(&bytes);
    pbus_schema_free(schema);
}

static void values_nested_too_deep_are_refused(void **state)
{
    (void)state;
    const char *schema =
        "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",\"L\"]}]}";
    char *json = malloc(20000), *at = json;
    for (int i = 0; i < 150; i++)
        at += sprintf(at, "{\"n\":");
    at += sprintf(at, "null");
    for (int i = 0; i < 150; i++)
        *at++ = '}';
    *at = '\0';
    stage_expect_failure("deep", stage_encode(schema, json, PBUS_JSON_PLAIN), "LIMIT",
                         "values are nested deeper than 200");
    free(json);
}

/* A list of so many nodes as JSON; the caller's. */
static char *list_of(int n)
{
    char *json = malloc(20000), *at = json;
    assert_non_null(json);
    for (int i = 0; i < n; i++)
        at += sprintf(at, "{\"n\":");
    at += sprintf(at, "null");
    for (int i = 0; i < n; i++)
        *at++ = '}';
    *at = '\0';
    return json;
}

static void what_is_encoded_can_be_decoded_however_deep(void **state)
{
    (void)state;
    const char *list =
        "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",\"L\"]}]}";
    const char *tree = "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"n\",\"type\":{\"type\":"
                       "\"array\",\"items\":\"T\"}}]}";
    const char *later = "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",{"
                        "\"type\":\"array\",\"items\":[\"null\",\"T\"]}]}]}";
    char hex[401] = "";
    for (int i = 0; i < 98; i++)
        memcpy(hex + 2 * i, "02", 3);
    strcat(hex, "00");
    char *json = list_of(99);
    assert_string_equal(stage_encode(list, json, PBUS_JSON_PLAIN), hex);
    assert_string_equal(stage_decode(list, list, hex, PBUS_JSON_PLAIN), json);
    free(json);
    json = list_of(100);
    stage_expect_failure("deeper", stage_encode(list, json, PBUS_JSON_PLAIN), "LIMIT",
                         "nested deeper than 200");
    free(json);
    /* The same of one whose nodes are in arrays: 100 nodes, each array ends. */
    memcpy(hex + 196, "02", 2);
    memset(hex + 198, '0', 200);
    hex[398] = '\0';
    json = strdup(stage_decode(tree, tree, hex, PBUS_JSON_PLAIN));
    assert_non_null(json);
    assert_int_equal(strncmp(json, "{\"n\":[{\"n\":[", 12), 0);
    assert_string_equal(stage_decode(tree, later, hex, PBUS_JSON_PLAIN), json);
    assert_string_equal(stage_encode(tree, json, PBUS_JSON_PLAIN), hex);
    free(json);
}

/* The second field would have them all. */
static void a_value_of_more_bytes_than_are_allowed_is_refused_before_they_are_there(void **state)
{
    (void)state;
    const char *schema = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
                         "\"boolean\"},{\"name\":\"b\",\"type\":"
                         "{\"type\":\"fixed\",\"name\":\"F\",\"size\":268435456,\"logicalType\":\"decimal\","
                         "\"precision\":4}}]}";
    pbus_schema *s = stage_schema(schema);
    pbus_buffer out = PBUS_BUFFER_INIT;
    pbus_error err;
    const char *json = "{\"a\":true,\"b\":-1}";
    assert_int_equal(pbus_schema_encode_json(s, json, strlen(json), PBUS_JSON_PLAIN, &out, &err),
                     PBUS_ERROR_LIMIT);
    assert_string_equal(err.message, "b: the value takes more than 268435456 bytes");
    assert_true(out.capacity < 1000);
    pbus_buffer_done(&out);
    pbus_schema_free(s);
}

/* As large as a value may be; what the buffer held before does not count. */
static void a_value_of_all_the_bytes_that_are_allowed_is_encoded(void **state)
{
    (void)state;
    pbus_schema *s = stage_schema(
        "{\"type\":\"fixed\",\"name\":\"F\",\"size\":268435456,\"logicalType\":\"decimal\",\"precision\":4}");
    pbus_buffer out = PBUS_BUFFER_INIT;
    pbus_error err;
    const pbus_frame frame = {.framing = PBUS_FRAMING_CONFLUENT, .schema_id = 1};
    assert_int_equal(pbus_frame_put(&frame, &out, &err), PBUS_OK);
    assert_int_equal(pbus_schema_encode_json(s, "-2", 2, PBUS_JSON_PLAIN, &out, &err), PBUS_OK);
    assert_int_equal(out.size, 268435456 + 5);
    assert_int_equal(out.data[5], 0xFF);
    assert_int_equal(out.data[out.size - 2], 0xFF);
    assert_int_equal(out.data[out.size - 1], 0xFE);
    pbus_buffer_done(&out);
    pbus_schema_free(s);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema("\"int\"");
    pbus_buffer out = PBUS_BUFFER_INIT;
    pbus_decoder *decoder = NULL;
    pbus_error err;
    assert_int_equal(pbus_schema_encode_json(NULL, "1", 1, PBUS_JSON_AVRO, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_json(schema, NULL, 1, PBUS_JSON_AVRO, &out, &err),
                     PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_json(schema, "1", 1, PBUS_JSON_AVRO, NULL, &err),
                     PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_json(schema, "1", 1, (pbus_json_form)2, &out, &err),
                     PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_json(schema, "x", 1, PBUS_JSON_AVRO, &out, NULL), PBUS_ERROR_MISFIT);
    assert_int_equal(pbus_decoder_new(NULL, schema, NULL, &decoder, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_new(schema, NULL, NULL, &decoder, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoder, &err), PBUS_OK);
    assert_int_equal(pbus_decoder_json(decoder, "\2", 1, PBUS_JSON_AVRO, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_json(decoder, "\2", 1, (pbus_json_form)9, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_json(decoder, NULL, 1, PBUS_JSON_AVRO, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_decoder_json(NULL, "\2", 1, PBUS_JSON_AVRO, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(out.size, 0);
    pbus_decoder_free(decoder);
    pbus_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_the_bytes_of_the_specification),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_path),
        cmocka_unit_test(a_failure_leaves_the_buffer_as_it_was),
        cmocka_unit_test(values_nested_too_deep_are_refused),
        cmocka_unit_test(what_is_encoded_can_be_decoded_however_deep),
        cmocka_unit_test(a_value_of_more_bytes_than_are_allowed_is_refused_before_they_are_there),
        cmocka_unit_test(a_value_of_all_the_bytes_that_are_allowed_is_encoded),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
