/* Schemas: what is taken for one and what is refused, and with which words. */
#include <stdio.h>
#include <stdlib.h>

#include "stage.h"
#include "type.h"

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(rest) RECORD("{\"name\":\"f\"," rest "}")

static void every_wrong_schema_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *part;
    } cases[] = {
        {"no JSON", "{\"type\":", "no JSON"},
        {"nothing", "", "no JSON"},
        {"text behind", "\"int\" x", "no JSON"},
        {"a key twice", "{\"type\":\"int\",\"type\":\"long\"}", "no JSON"},
        {"a number", "5", "a schema is a name, an object or an array"},
        {"null", "null", "and not null"},
        {"an unknown word", "\"strin\"", "the type \"strin\" is not known"},
        {"no type", "{\"name\":\"R\"}", "needs \"type\""},
        {"a nested type", "{\"type\":{\"type\":\"int\"}}", "is no word"},
        {"union as a word", "{\"type\":\"union\"}", "the type \"union\" is not known"},
        {"array as a word", "\"array\"", "alone is no type"},
        {"an error", "{\"type\":\"error\",\"name\":\"E\",\"fields\":[]}", "write \"record\""},
        {"record without a name", "{\"type\":\"record\",\"fields\":[]}", "the record has no \"name\""},
        {"name with a dash", "{\"type\":\"record\",\"name\":\"a-b\",\"fields\":[]}", "\"a-b\" is no name"},
        {"name with a digit first", "{\"type\":\"record\",\"name\":\"1a\",\"fields\":[]}", "is no name"},
        {"empty name", "{\"type\":\"record\",\"name\":\"\",\"fields\":[]}", "\"\" is no name"},
        {"name that ends in a dot", "{\"type\":\"record\",\"name\":\"a.\",\"fields\":[]}", "is no name"},
        {"name with two dots", "{\"type\":\"record\",\"name\":\"a..b\",\"fields\":[]}", "is no name"},
        {"name beyond ASCII", "{\"type\":\"record\",\"name\":\"\xc3\xa9\",\"fields\":[]}", "is no name"},
        {"name with a NUL", "{\"type\":\"record\",\"name\":\"a\\u0000b\",\"fields\":[]}", "has no \"name\""},
        {"a word with a NUL", "\"int\\u0000\"", "a schema is a name"},
        {"symbol with a NUL", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\\u0000\"]}",
         "the symbol 0"},
        {"field's name with a NUL", RECORD("{\"name\":\"f\\u0000\",\"type\":\"int\"}"),
         "the field 0 is no object with a \"name\""},
        {"wrong namespace", "{\"type\":\"record\",\"name\":\"a\",\"namespace\":\"x y\",\"fields\":[]}",
         "is no namespace"},
        {"namespace is a number", "{\"type\":\"record\",\"name\":\"a\",\"namespace\":5,\"fields\":[]}",
         "is no string"},
        {"name of a primitive", "{\"type\":\"fixed\",\"name\":\"int\",\"size\":1}",
         "is the name of a primitive type"},
        {"and in a namespace", "{\"type\":\"fixed\",\"name\":\"a.string\",\"size\":1}",
         "is the name of a primitive type"},
        {"record without fields", "{\"type\":\"record\",\"name\":\"R\"}", "has no \"fields\""},
        {"fields is an object", "{\"type\":\"record\",\"name\":\"R\",\"fields\":{}}",
         "has no \"fields\", an array"},
        {"field without a name", RECORD("{\"type\":\"int\"}"), "the field 0 is no object with a \"name\""},
        {"field is a word", RECORD("\"int\""), "the field 0 is no object"},
        {"field's name with a dot", RECORD("{\"name\":\"a.b\",\"type\":\"int\"}"),
         "\"a.b\" is no field's name"},
        {"field without a type", RECORD("{\"name\":\"f\"}"), "f: the field has no \"type\""},
        {"field twice",
         RECORD("{\"name\":\"f\",\"type\":\"int\"},{\"name\":\"g\",\"type\":\"int\"},{\"name\":\"f\","
                "\"type\":\"int\"}"),
         "the field \"f\" is there twice"},
        {"strange order", FIELD("\"type\":\"int\",\"order\":\"up\""),
         "f: \"order\" is ascending, descending or ignore"},
        {"alias with a dash", FIELD("\"type\":\"int\",\"aliases\":[\"a-b\"]"),
         "f: the alias 0, \"a-b\", is no name"},
        {"field's alias with a dot", FIELD("\"type\":\"int\",\"aliases\":[\"a.b\"]"), "the alias 0"},
        {"aliases is a word", FIELD("\"type\":\"int\",\"aliases\":\"a\""), "\"aliases\" is no array"},
        {"enum without symbols", "{\"type\":\"enum\",\"name\":\"E\"}", "has no \"symbols\""},
        {"symbol that is none", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"a b\"]}",
         "the symbol 1 of \"E\", \"a b\", is no name"},
        {"symbol that is a number", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[5]}", "the symbol 0"},
        {"symbol twice", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"A\"]}",
         "the symbol \"A\" is there twice"},
        {"enum's default", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"B\"}",
         "is none of its symbols"},
        {"fixed without a size", "{\"type\":\"fixed\",\"name\":\"F\"}", "needs a \"size\""},
        {"fixed of a negative size", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}", "needs a \"size\""},
        {"fixed of a real size", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":1.5}", "needs a \"size\""},
        {"fixed that is too large", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":268435457}",
         "from 0 to 268435456"},
        {"array without items", "{\"type\":\"array\"}", "the array has no \"items\""},
        {"map without values", "{\"type\":\"map\",\"items\":\"int\"}", "the map has no \"values\""},
        {"a union in a union", "[\"null\",[\"int\"]]", "a union stands directly in a union"},
        {"a type twice in a union", "[\"int\",\"string\",\"int\"]", "the union has \"int\" twice"},
        {"the same with a logical type", "[\"int\",{\"type\":\"int\",\"logicalType\":\"date\"}]",
         "has \"int\" twice"},
        {"two arrays in a union",
         "[{\"type\":\"array\",\"items\":\"int\"},{\"type\":\"array\",\"items\":\"long\"}]",
         "\"array\" twice"},
        {"a name twice",
         "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}]",
         "\"F\" is defined twice"},
        {"a name before its definition",
         RECORD("{\"name\":\"f\",\"type\":\"F\"},{\"name\":\"g\",\"type\":{\"type\":\"fixed\",\"name\":\"F\","
                "\"size\":1}}"),
         "f: the type \"F\" is not known"},
        {"a name of another namespace",
         RECORD("{\"name\":\"f\",\"type\":{\"type\":\"fixed\",\"name\":\"x.F\",\"size\":1}},{\"name\":\"g\","
                "\"type\":\"F\"}"),
         "g: the type \"F\" is not known"},
        {"within array and map",
         FIELD("\"type\":{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"no\"}}"),
         "f[*][*]: the type \"no\""},
        {"a decimal of too many digits",
         "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":1001}", "above the limit of 1000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        stage_expect_failure(cases[i].name, stage_refusal(cases[i].text), "AVRO_SCHEMA", cases[i].part);
}

static void a_default_has_to_fit_its_field(void **state)
{
    (void)state;
    static const struct {
        const char *type, *value, *part;
    } cases[] = {
        {"\"int\"", "\"5\"", "R.f: the default does not fit: R.f: \"5\" is no int"},
        {"\"int\"", "2147483648", "does not fit an int"},
        {"\"int\"", "1.5", "1.5 is no int"},
        {"\"int\"", "null", "null is no int"},
        {"\"boolean\"", "\"true\"", "neither true nor false"},
        {"\"boolean\"", "0", "neither true nor false"},
        {"\"null\"", "\"null\"", "is not null"},
        {"\"float\"", "1e300", "too large for a float"},
        {"\"bytes\"", "\"\\u0100\"", "above U+00FF"},
        {"\"string\"", "7", "7 is no string"},
        {"[\"null\",\"string\"]", "\"a\"", "the first branch of the union: R.f: \"a\" is not null"},
        {"[\"string\",\"null\"]", "null", "first branch"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "[1,\"x\"]", "R.f[1]: \"x\" is no int"},
        {"{\"type\":\"map\",\"values\":\"int\"}", "{\"a\":1,\"b\":true}", "R.f[\"b\"]: true is no int"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"a\"", "1 bytes, and the fixed F has 2"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "\"B\"", "no symbol of the enum E"},
        {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}", "{}",
         "R.f.a: the field is missing"},
        {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[]}", "{\"b\":1}",
         "the record S has no field \"b\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, FIELD("\"type\":%s,\"default\":%s"), cases[i].type, cases[i].value);
        stage_expect_failure(text, stage_refusal(text), "AVRO_SCHEMA", cases[i].part);
    }
}

static void every_kind_of_default_is_taken(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "\"type\":\"null\",\"default\":null",
        "\"type\":\"boolean\",\"default\":false",
        "\"type\":\"int\",\"default\":-2147483648",
        "\"type\":\"long\",\"default\":9223372036854775807",
        "\"type\":\"float\",\"default\":1",
        "\"type\":\"double\",\"default\":\"NaN\"",
        "\"type\":\"bytes\",\"default\":\"\\u00ff\"",
        "\"type\":\"string\",\"default\":\"\"",
        "\"type\":[\"null\",\"int\"],\"default\":null",
        "\"type\":{\"type\":\"array\",\"items\":\"int\"},\"default\":[]",
        "\"type\":{\"type\":\"map\",\"values\":[\"int\",\"null\"]},\"default\":{\"a\":1}",
        ("\"type\":{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"a\",\"type\":\"int\","
         "\"default\":1}]},\"default\":{}"),
        "\"type\":[\"null\",\"R\"],\"default\":null",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char text[1024];
        snprintf(text, sizeof text, FIELD("%s"), fields[i]);
        assert_string_equal(stage_refusal(text), "taken");
    }
}

static void a_default_symbol_that_is_null_is_none(void **state)
{
    (void)state;
    assert_string_equal(
        stage_refusal("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":null}"), "taken");
}

static void names_take_the_namespace_around_them(void **state)
{
    (void)state;
    pbus_schema *schema = stage_schema(
        "{\"type\":\"record\",\"name\":\"a.b.Outer\",\"fields\":["
        "{\"name\":\"one\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}},"
        "{\"name\":\"two\",\"type\":{\"type\":\"record\",\"name\":\"In\",\"namespace\":\"c\",\"fields\":["
        "  "
        "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},{\"name\":\"y\",\"type\":"
        "\"F\"},{\"name\":\"z\",\"type\":\"a.b.F\"}]}},"
        "{\"name\":\"three\",\"type\":\"F\"},"
        "{\"name\":\"four\",\"type\":{\"type\":\"fixed\",\"name\":\"G\",\"namespace\":\"\",\"size\":4}},"
        "{\"name\":\"five\",\"type\":\"G\"},"
        "{\"name\":\"six\",\"type\":{\"type\":\"fixed\",\"name\":\"H\",\"namespace\":null,\"size\":8}}]}");
    assert_string_equal(pbus_schema_name(schema), "a.b.Outer");
    assert_non_null(strstr(pbus_schema_canonical(schema),
                           "{\"name\":\"one\",\"type\":{\"name\":\"a.b.F\",\"type\":\"fixed\",\"size\":1}}"));
    assert_non_null(strstr(pbus_schema_canonical(schema),
                           "{\"name\":\"y\",\"type\":\"c.F\"},{\"name\":\"z\",\"type\":\"a.b.F\"}"));
    assert_non_null(strstr(pbus_schema_canonical(schema), "{\"name\":\"three\",\"type\":\"a.b.F\"}"));
    assert_non_null(strstr(pbus_schema_canonical(schema), "{\"name\":\"five\",\"type\":\"G\"}"));
    assert_non_null(strstr(pbus_schema_canonical(schema),
                           "{\"name\":\"six\",\"type\":{\"name\":\"a.b.H\",\"type\":\"fixed\",\"size\":8}}"));
    pbus_schema_free(schema);
}

static void a_logical_type_that_does_not_fit_is_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        pbus_logical logical;
    } cases[] = {
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", PBUS_LOGICAL_DATE},
        {"{\"type\":\"long\",\"logicalType\":\"date\"}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", PBUS_LOGICAL_UUID},
        {"{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}", PBUS_LOGICAL_UUID},
        {"{\"type\":\"fixed\",\"name\":\"U\",\"size\":15,\"logicalType\":\"uuid\"}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":\"duration\"}",
         PBUS_LOGICAL_DURATION},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}",
         PBUS_LOGICAL_DECIMAL},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4}", PBUS_LOGICAL_DECIMAL},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\"}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":0}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":3}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":-1}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":1,\"logicalType\":\"decimal\",\"precision\":2}",
         PBUS_LOGICAL_DECIMAL},
        {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":1,\"logicalType\":\"decimal\",\"precision\":3}",
         PBUS_LOGICAL_NONE},
        {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":8,\"logicalType\":\"decimal\",\"precision\":18}",
         PBUS_LOGICAL_DECIMAL},
        {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":8,\"logicalType\":\"decimal\",\"precision\":19}",
         PBUS_LOGICAL_NONE},
        {"{\"type\":\"int\",\"logicalType\":\"decimal\",\"precision\":2}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}", PBUS_LOGICAL_NONE},
        {"{\"type\":\"int\",\"logicalType\":5}", PBUS_LOGICAL_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbus_schema *schema = stage_schema(cases[i].text);
        if (schema->root->logical != cases[i].logical)
            fail_msg("%s: %d", cases[i].text, (int)schema->root->logical);
        pbus_schema_free(schema);
    }
}

static void a_schema_may_name_types_of_others(void **state)
{
    (void)state;
    pbus_schema *address = stage_schema("{\"type\":\"record\",\"name\":\"com.Address\",\"fields\":[{\"name\":"
                                        "\"city\",\"type\":\"string\",\"default\":\"\"}]}");
    pbus_schema *again = stage_schema("{\"type\":\"record\",\"name\":\"com.Address\",\"fields\":[{\"name\":"
                                      "\"city\",\"type\":\"string\",\"default\":\"\"}]}");
    pbus_schema *person = NULL, *both = NULL;
    pbus_error err;
    const char *text = "{\"type\":\"record\",\"name\":\"com.Person\",\"fields\":[{\"name\":\"home\",\"type\":"
                       "\"Address\",\"default\":{}}]}";
    assert_int_equal(pbus_schema_parse(text, strlen(text), NULL, 0, &person, &err), PBUS_ERROR_AVRO_SCHEMA);
    assert_int_equal(pbus_schema_parse(text, strlen(text), &address, 1, &person, &err), PBUS_OK);
    pbus_schema *known[] = {again, person, address};
    assert_int_equal(pbus_schema_parse("[\"com.Address\",\"com.Person\"]", 28, known, 3, &both, &err),
                     PBUS_OK);
    pbus_schema_free(address);
    pbus_schema_free(again);
    pbus_schema_free(person);
    assert_string_equal(pbus_schema_canonical(both),
                        "[{\"name\":\"com.Address\",\"type\":\"record\",\"fields\":[{\"name\":\"city\","
                        "\"type\":\"string\"}]},"
                        "{\"name\":\"com.Person\",\"type\":\"record\",\"fields\":[{\"name\":\"home\","
                        "\"type\":\"com.Address\"}]}]");
    assert_string_equal(pbus_schema_text(both, NULL), "[\"com.Address\",\"com.Person\"]");
    pbus_schema_free(both);
}

/* prefix, n times `open`, middle, n times `close`. */
static char *nested(size_t n, const char *open, const char *middle, const char *close)
{
    char *text = malloc(n * (strlen(open) + strlen(close)) + strlen(middle) + 1), *at = text;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s", open);
    at += sprintf(at, "%s", middle);
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s", close);
    return text;
}

static void limits_end_a_schema_that_means_harm(void **state)
{
    (void)state;
    char *deep = nested(PBUS_SCHEMA_MAX_DEPTH, "{\"type\":\"array\",\"items\":", "\"int\"", "}");
    stage_expect_failure("too deep", stage_refusal(deep), "LIMIT", "nested deeper than 200");
    free(deep);
    char *fits = nested(PBUS_SCHEMA_MAX_DEPTH - 1, "{\"type\":\"array\",\"items\":", "\"int\"", "}");
    assert_string_equal(stage_refusal(fits), "taken");
    free(fits);
    char *brackets = nested(100000, "[", "", "]");
    stage_expect_failure("brackets", stage_refusal(brackets), "AVRO_SCHEMA", "no JSON");
    free(brackets);
    stage_expect_failure("a default of itself", stage_refusal(FIELD("\"type\":\"R\",\"default\":{}")),
                         "LIMIT", "nested deeper");

    char *large = nested(PBUS_SCHEMA_MAX_BYTES, " ", "\"int\"", "");
    stage_expect_failure("too large", stage_refusal(large), "LIMIT", "the most is 1048576");
    free(large);
}

/* Each of thirty records has two defaults of the one before: a billion values in a few hundred bytes. */
static void defaults_of_defaults_cannot_grow_without_a_bound(void **state)
{
    (void)state;
    char text[8192], *at = text;
    at += sprintf(at, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}");
    for (int i = 1; i < 31; i++)
        at += sprintf(at,
                      ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":\"R%d\","
                      "\"default\":{}},{\"name\":\"b\",\"type\":\"R%d\",\"default\":{}}]}",
                      i, i - 1, i - 1);
    strcpy(at, "]");
    stage_expect_failure("bomb", stage_refusal(text), "LIMIT", "more steps than are allowed");
}

static void definitions_in_definitions_cannot_be_written_without_a_bound(void **state)
{
    (void)state;
    char *text = malloc(200000), *at = text;
    pbus_schema *chain = NULL, *last = NULL;
    pbus_error err;
    at += sprintf(at, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}");
    for (int i = 1; i < 1000; i++)
        at += sprintf(
            at, ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":\"R%d\"}]}", i,
            i - 1);
    strcpy(at, "]");
    assert_int_equal(pbus_schema_parse(text, strlen(text), NULL, 0, &chain, &err), PBUS_OK);
    assert_int_equal(pbus_schema_parse("\"R999\"", 6, &chain, 1, &last, &err), PBUS_ERROR_LIMIT);
    assert_int_equal(pbus_schema_parse("\"R99\"", 5, &chain, 1, &last, &err), PBUS_OK);
    pbus_schema_free(last);
    pbus_schema_free(chain);
    free(text);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    pbus_schema *schema = NULL, *none = NULL;
    pbus_error err;
    assert_int_equal(pbus_schema_parse(NULL, 0, NULL, 0, &schema, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_parse("\"int\"", 5, NULL, 0, NULL, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_parse("\"int\"", 5, NULL, 1, &schema, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_parse("\"int\"", 5, &none, 1, &schema, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_parse("\"in\"", 4, NULL, 0, &schema, NULL), PBUS_ERROR_AVRO_SCHEMA);
    pbus_schema_free(NULL);
    assert_null(pbus_schema_share(NULL));
    pbus_buffer_done(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wrong_schema_is_refused_with_its_reason),
        cmocka_unit_test(a_default_has_to_fit_its_field),
        cmocka_unit_test(every_kind_of_default_is_taken),
        cmocka_unit_test(a_default_symbol_that_is_null_is_none),
        cmocka_unit_test(names_take_the_namespace_around_them),
        cmocka_unit_test(a_logical_type_that_does_not_fit_is_passed_over),
        cmocka_unit_test(a_schema_may_name_types_of_others),
        cmocka_unit_test(limits_end_a_schema_that_means_harm),
        cmocka_unit_test(defaults_of_defaults_cannot_grow_without_a_bound),
        cmocka_unit_test(definitions_in_definitions_cannot_be_written_without_a_bound),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
