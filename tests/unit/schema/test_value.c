/* avro-c's values: encoded as its own writer does, filled by the decoder, and refused where they are of another schema. */
#include <stdio.h>
#include <stdlib.h>

#include "stage.h"
#include <avro.h>

#define EVERY_TYPE                                                                                           \
    "{\"type\":\"record\",\"name\":\"a.b.Every\",\"fields\":["                                               \
    "{\"name\":\"n\",\"type\":\"null\"},{\"name\":\"o\",\"type\":\"boolean\"},{\"name\":\"i\",\"type\":"     \
    "\"int\"},"                                                                                              \
    "{\"name\":\"l\",\"type\":\"long\"},{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":"       \
    "\"double\"},"                                                                                           \
    "{\"name\":\"y\",\"type\":\"bytes\"},{\"name\":\"s\",\"type\":\"string\"},"                              \
    "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},"                              \
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}},"                \
    "{\"name\":\"r\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"int\",\"string\"]}},"                \
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"F\"}},"                                         \
    "{\"name\":\"next\",\"type\":[\"null\",\"Every\"]}]}"
#define INNER                                                                                                \
    "\"n\":null,\"o\":true,\"i\":-5,\"l\":9223372036854775807,\"f\":1.5,\"d\":-0.25,\"y\":"                  \
    "\"\\u0000\\u00ff\",\"s\":\"h\xc3\xa9llo\","                                                             \
    "\"x\":\"ab\",\"e\":\"B\",\"r\":[null,{\"int\":7},{\"string\":\"\"}],\"m\":{\"k\":\"cd\"}"
static const char every_value[] = "{" INNER ",\"next\":{\"a.b.Every\":{" INNER ",\"next\":null}}}";

/* A value of avro-c for a schema of ours. */
static avro_value_t new_value(const char *canonical)
{
    avro_schema_t schema;
    avro_value_t value;
    assert_int_equal(avro_schema_from_json_length(canonical, strlen(canonical), &schema), 0);
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    assert_non_null(class);
    assert_int_equal(avro_generic_value_new(class, &value), 0);
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
    return value;
}

static pbus_buffer encode(pbus_schema *schema, const char *json)
{
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_error err;
    if (pbus_schema_encode_json(schema, json, strlen(json), PBUS_JSON_AVRO, &bytes, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static void a_value_goes_in_and_out_as_avro_c_itself_writes_it(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema(EVERY_TYPE);
    pbus_buffer bytes = encode(schema, every_value), again = PBUS_BUFFER_INIT;
    pbus_decoder *decoder = NULL;
    pbus_error err;
    avro_value_t value = new_value(pbus_schema_canonical(schema));
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoder, &err), PBUS_OK);
    /* Twice: what it held is overwritten. */
    for (int i = 0; i < 2; i++) {
        if (pbus_decoder_value(decoder, bytes.data, bytes.size, &value, &err) != PBUS_OK)
            fail_msg("%s", err.message);
        char theirs[1024];
        avro_writer_t writer = avro_writer_memory(theirs, sizeof theirs);
        assert_int_equal(avro_value_write(writer, &value), 0);
        assert_int_equal(avro_writer_tell(writer), bytes.size);
        assert_memory_equal(theirs, bytes.data, bytes.size);
        avro_writer_free(writer);
    }
    again.size = 0;
    if (pbus_schema_encode_value(schema, &value, &again, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(again.size, bytes.size);
    assert_memory_equal(again.data, bytes.data, bytes.size);
    avro_value_decref(&value);
    pbus_decoder_free(decoder);
    pbus_buffer_done(&bytes);
    pbus_buffer_done(&again);
    pbus_schema_free(schema);
}

static void a_value_of_another_schema_is_refused_both_ways(void **state)
{
    (void)state;
#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
    static const struct {
        const char *name, *ours, *theirs, *json;
        const char *encoding; /* what is said of their empty value */
    } cases[] = {
        {"int for long", "\"long\"", "\"int\"", "1", "the value of avro-c is not of the type long"},
        {"string for bytes", "\"bytes\"", "\"string\"", "\"a\"", "not of the type bytes"},
        {"a field less", R(F("a", "\"int\"") "," F("b", "\"int\"")), R(F("a", "\"int\"")),
         "{\"a\":1,\"b\":2}", "the value has 1 fields, and the record R has 2"},
        {"a field's name", R(F("a", "\"int\"")), R(F("b", "\"int\"")), "{\"a\":1}",
         "a: the value has the field \"b\" in its place"},
        {"a field's type", R(F("a", "\"int\"")), R(F("a", "\"string\"")), "{\"a\":1}",
         "a: the value of avro-c is not of the type int"},
        {"a symbol's name", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"B\"]}", "\"A\"", "the enum E has no symbol 0, B"},
        {"a fixed's size", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}",
         "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "\"ab\"",
         "3 bytes are given, and the fixed F has 2"},
        {"a branch less", "[\"null\",\"int\",\"string\"]", "[\"null\",\"int\"]", "{\"string\":\"a\"}",
         "no branch of the union is set"},
        {"array for map", "{\"type\":\"map\",\"values\":\"int\"}", "{\"type\":\"array\",\"items\":\"int\"}",
         "{\"a\":1}", "not of the type map"},
        {"union for int", "\"int\"", "[\"int\"]", "1", "not of the type int"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbus_schema *schema = stage_schema(cases[i].ours);
        pbus_buffer bytes = encode(schema, cases[i].json), out = PBUS_BUFFER_INIT;
        pbus_decoder *decoder = NULL;
        pbus_error err;
        avro_value_t value = new_value(cases[i].theirs);
        assert_int_equal(pbus_schema_encode_value(schema, &value, &out, &err), PBUS_ERROR_MISFIT);
        if (!strstr(err.message, cases[i].encoding))
            fail_msg("%s: %s", cases[i].name, err.message);
        assert_int_equal(out.size, 0);
        assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoder, &err), PBUS_OK);
        if (pbus_decoder_value(decoder, bytes.data, bytes.size, &value, &err) != PBUS_ERROR_ARGUMENT)
            fail_msg("%s: it was filled", cases[i].name);
        avro_value_decref(&value);
        pbus_decoder_free(decoder);
        pbus_buffer_done(&bytes);
        pbus_buffer_done(&out);
        pbus_schema_free(schema);
    }
}

static void text_that_is_none_is_refused(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema("\"string\"");
    pbus_buffer out = PBUS_BUFFER_INIT;
    pbus_decoder *decoder = NULL;
    pbus_error err;
    avro_value_t value = new_value("\"string\"");
    assert_int_equal(avro_value_set_string(&value, "a\xff"), 0);
    assert_int_equal(pbus_schema_encode_value(schema, &value, &out, &err), PBUS_ERROR_MISFIT);
    assert_string_equal(err.message, "the value: the string is no UTF-8 at its byte 1");
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoder, &err), PBUS_OK);
    assert_int_equal(pbus_decoder_value(decoder, "\4a\0", 3, &value, &err), PBUS_ERROR_CORRUPT);
    assert_int_equal(pbus_decoder_value(decoder, "\4ab", 3, &value, &err), PBUS_OK);
    const char *text;
    size_t size = 0;
    assert_int_equal(avro_value_get_string(&value, &text, &size), 0);
    assert_string_equal(text, "ab");
    assert_int_equal(size, 3);
    assert_int_equal(pbus_decoder_value(decoder, "\4ab", 3, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_value(schema, NULL, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_value(NULL, &value, &out, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_encode_value(schema, &value, NULL, &err), PBUS_ERROR_ARGUMENT);
    avro_value_decref(&value);
    pbus_decoder_free(decoder);
    pbus_schema_free(schema);
}

/* What avro-c cannot do at all: a default for a field that was not written. */
static void a_value_is_resolved_with_defaults(void **state)
{
    (void)state;
    pbus_schema *writer = stage_schema(R(F("a", "\"int\"")));
    pbus_schema *reader = stage_schema(
        R("{\"name\":\"b\",\"type\":[\"string\",\"null\"],\"default\":\"new\"}," F("a", "\"long\"")));
    pbus_decoder *decoder = NULL;
    pbus_error err;
    avro_value_t value = new_value(pbus_schema_canonical(reader));
    assert_int_equal(pbus_decoder_new(writer, reader, NULL, &decoder, &err), PBUS_OK);
    assert_int_equal(pbus_decoder_value(decoder, "\x0e", 1, &value, &err), PBUS_OK);
    char *json = NULL;
    assert_int_equal(avro_value_to_json(&value, 1, &json), 0);
    assert_string_equal(json, "{\"b\": {\"string\": \"new\"}, \"a\": 7}");
    free(json);
    avro_value_decref(&value);
    pbus_decoder_free(decoder);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_goes_in_and_out_as_avro_c_itself_writes_it),
        cmocka_unit_test(a_value_of_another_schema_is_refused_both_ways),
        cmocka_unit_test(text_that_is_none_is_refused),
        cmocka_unit_test(a_value_is_resolved_with_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
