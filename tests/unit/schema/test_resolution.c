/* The specification's rules of schema resolution, as a table: what the writer wrote and what the reader reads. */
#include "stage.h"

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define D(name, type, value) "{\"name\":\"" name "\",\"type\":" type ",\"default\":" value "}"
#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values) "{\"type\":\"map\",\"values\":" values "}"
#define ENUM(name, symbols) "{\"type\":\"enum\",\"name\":\"" name "\",\"symbols\":[" symbols "]}"
#define ENUM_D(name, symbols, value)                                                                         \
    "{\"type\":\"enum\",\"name\":\"" name "\",\"symbols\":[" symbols "],\"default\":\"" value "\"}"
#define FIXED(name, size) "{\"type\":\"fixed\",\"name\":\"" name "\",\"size\":" size "}"
#define LIST(name)                                                                                           \
    "{\"type\":\"record\",\"name\":\"" name                                                                  \
    "\",\"fields\":[{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"next\",\"type\":[\"null\",\"" name         \
    "\"]}]}"
#define DECIMAL(p, s) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":" p ",\"scale\":" s "}"

static void what_the_rules_allow_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *writer, *reader, *json, *read;
    } cases[] = {
        /* The same primitive type. */
        {"null", "\"null\"", "\"null\"", "null", "null"},
        {"boolean", "\"boolean\"", "\"boolean\"", "true", "true"},
        {"int", "\"int\"", "\"int\"", "-2147483648", "-2147483648"},
        {"long", "\"long\"", "\"long\"", "9223372036854775807", "9223372036854775807"},
        {"smallest long", "\"long\"", "\"long\"", "-9223372036854775808", "-9223372036854775808"},
        {"float", "\"float\"", "\"float\"", "0.1", "0.1"},
        {"double", "\"double\"", "\"double\"", "0.1", "0.1"},
        {"bytes", "\"bytes\"", "\"bytes\"", "\"AAEC/w==\"", "\"AAEC/w==\""},
        {"string", "\"string\"", "\"string\"", "\"caf\\u00e9\"", "\"caf\xc3\xa9\""},
        /* Promotions. */
        {"int to long", "\"int\"", "\"long\"", "7", "7"},
        {"int to float", "\"int\"", "\"float\"", "7", "7.0"},
        {"int to double", "\"int\"", "\"double\"", "-7", "-7.0"},
        {"long to float", "\"long\"", "\"float\"", "16777217", "16777216.0"},
        {"long to double", "\"long\"", "\"double\"", "9007199254740993", "9007199254740992.0"},
        {"float to double", "\"float\"", "\"double\"", "0.5", "0.5"},
        {"string to bytes", "\"string\"", "\"bytes\"", "\"abc\"", "\"YWJj\""},
        {"bytes to string", "\"bytes\"", "\"string\"", "\"YWJj\"", "\"abc\""},
        /* Arrays and maps: their items are resolved. */
        {"array", ARRAY("\"int\""), ARRAY("\"double\""), "[1,2]", "[1.0,2.0]"},
        {"empty array", ARRAY("\"int\""), ARRAY("\"int\""), "[]", "[]"},
        {"empty array of what cannot be read", ARRAY("\"int\""), ARRAY("\"string\""), "[]", "[]"},
        {"map", MAP("\"string\""), MAP("\"bytes\""), "{\"a\":\"b\"}", "{\"a\":\"Yg==\"}"},
        {"empty map of what cannot be read", MAP("\"int\""), MAP("\"string\""), "{}", "{}"},
        {"array of arrays", ARRAY(ARRAY("\"int\"")), ARRAY(ARRAY("\"long\"")), "[[1],[],[2,3]]",
         "[[1],[],[2,3]]"},
        /* Fixed and enums. */
        {"fixed", FIXED("F", "2"), FIXED("F", "2"), "\"AAE=\"", "\"AAE=\""},
        {"fixed of another namespace", FIXED("a.F", "2"), FIXED("b.F", "2"), "\"AAE=\"", "\"AAE=\""},
        {"fixed by an alias", FIXED("a.F", "2"),
         "{\"type\":\"fixed\",\"name\":\"G\",\"aliases\":[\"a.F\"],\"size\":2}", "\"AAE=\"", "\"AAE=\""},
        {"enum in another order", ENUM("E", "\"A\",\"B\""), ENUM("E", "\"B\",\"A\""), "\"B\"", "\"B\""},
        {"enum with more symbols", ENUM("E", "\"A\""), ENUM("E", "\"Z\",\"A\""), "\"A\"", "\"A\""},
        {"the reader enum's default", ENUM("E", "\"A\",\"B\""), ENUM_D("E", "\"X\",\"A\"", "X"), "\"B\"",
         "\"X\""},
        {"a symbol that is there takes no default", ENUM("E", "\"A\",\"B\""), ENUM_D("E", "\"X\",\"A\"", "X"),
         "\"A\"", "\"A\""},
        {"the writer's default is not looked at", ENUM_D("E", "\"A\",\"B\"", "A"), ENUM("E", "\"B\""),
         "\"B\"", "\"B\""},
        {"a symbol missing that does not come", ENUM("E", "\"A\",\"B\""), ENUM("E", "\"A\""), "\"A\"",
         "\"A\""},
        /* Records: fields by name, whatever the order. */
        {"record", R(F("a", "\"int\"") "," F("b", "\"string\"")),
         R(F("b", "\"string\"") "," F("a", "\"int\"")), "{\"a\":1,\"b\":\"x\"}", "{\"a\":1,\"b\":\"x\"}"},
        {"a field the reader does not have", R(F("a", "\"int\"") "," F("b", "\"string\"")),
         R(F("a", "\"int\"")), "{\"a\":1,\"b\":\"x\"}", "{\"a\":1}"},
        {"a field in front that the reader does not have", R(F("b", "\"string\"") "," F("a", "\"int\"")),
         R(F("a", "\"int\"")), "{\"a\":1,\"b\":\"x\"}", "{\"a\":1}"},
        {"all fields skipped", R(F("b", "\"string\"")), R(""), "{\"b\":\"x\"}", "{}"},
        {"a new field's default", R(F("a", "\"int\"")),
         R(F("a", "\"int\"") "," D("b", "\"string\"", "\"new\"")), "{\"a\":1}", "{\"a\":1,\"b\":\"new\"}"},
        {"a default of a union", R(""), R(D("b", "[\"null\",\"int\"]", "null")), "{}", "{\"b\":null}"},
        {"a default of an array", R(""), R(D("b", ARRAY("\"int\""), "[1,2]")), "{}", "{\"b\":[1,2]}"},
        {"a default of a map", R(""), R(D("b", MAP("\"int\""), "{\"k\":1}")), "{}", "{\"b\":{\"k\":1}}"},
        {"a default of bytes", R(""), R(D("b", "\"bytes\"", "\"\\u0000\\u00ff\"")), "{}", "{\"b\":\"AP8=\"}"},
        {"a default of a record with defaults", R(""),
         R(D("b", "{\"type\":\"record\",\"name\":\"S\",\"fields\":[" D("c", "\"int\"", "3") "]}", "{}")),
         "{}", "{\"b\":{\"c\":3}}"},
        {"a default of an enum", R(""), R(D("b", ENUM("E", "\"A\",\"B\""), "\"B\"")), "{}", "{\"b\":\"B\"}"},
        {"a written field takes no default", R(F("b", "\"int\"")), R(D("b", "\"int\"", "9")), "{\"b\":1}",
         "{\"b\":1}"},
        {"the writer's default is not looked at", R(D("b", "\"int\"", "9")), R(D("b", "\"int\"", "8")),
         "{\"b\":1}", "{\"b\":1}"},
        {"a field is promoted", R(F("a", "\"int\"")), R(F("a", "\"double\"")), "{\"a\":1}", "{\"a\":1.0}"},
        {"record of another namespace", "{\"type\":\"record\",\"name\":\"x.R\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"y.R\",\"fields\":[]}", "{}", "{}"},
        {"record by an alias", "{\"type\":\"record\",\"name\":\"x.Old\",\"fields\":[" F("a", "\"int\"") "]}",
         "{\"type\":\"record\",\"name\":\"x.New\",\"aliases\":[\"Old\"],\"fields\":[" F("a", "\"int\"") "]}",
         "{\"a\":1}", "{\"a\":1}"},
        {"a field by an alias", R(F("old", "\"int\"")),
         R("{\"name\":\"new\",\"type\":\"long\",\"aliases\":[\"older\",\"old\"]}"), "{\"old\":1}",
         "{\"new\":1}"},
        {"a name goes before an alias", R(F("a", "\"int\"") "," F("b", "\"int\"")),
         R("{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"b\"]}"), "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"an alias does not take what has its own name", R(F("b", "\"int\"")),
         R("{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"b\"],\"default\":9}," F("b", "\"int\"")),
         "{\"b\":2}", "{\"b\":2,\"a\":9}"},
        {"a written field goes to one alias only", R(F("x", "\"int\"")),
         R("{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"x\"]},{\"name\":\"b\",\"type\":\"int\","
           "\"aliases\":[\"x\"],\"default\":9}"),
         "{\"x\":2}", "{\"a\":2,\"b\":9}"},
        {"fields in arrays of records", ARRAY(R(F("a", "\"int\"") "," F("b", "\"int\""))),
         ARRAY(R(F("b", "\"long\"") "," D("c", "\"int\"", "0"))), "[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4}]",
         "[{\"b\":2,\"c\":0},{\"b\":4,\"c\":0}]"},
        {"everything is skipped",
         R(F("n", "\"null\"") "," F("o", "\"boolean\"") "," F("i", "\"int\"") "," F("l", "\"long\"") "," F("f", "\"float\"") "," F("d", "\"double\"") "," F(
             "y",
             "\"bytes\"") "," F("s",
                                "\"string\"") "," F("x",
                                                    FIXED(
                                                        "F",
                                                        "2")) "," F("e",
                                                                    ENUM(
                                                                        "E",
                                                                        "\"A\"")) "," F("r",
                                                                                        ARRAY(
                                                                                            "\"int\"")) "," F("m",
                                                                                                              MAP("\"string"
                                                                                                                  "\"")) "," F("u",
                                                                                                                               "[\"null\",\"string\"]") "," F("end",
                                                                                                                                                              "\"int\"")),
         R(F("end", "\"int\"")),
         "{\"n\":null,\"o\":true,\"i\":1,\"l\":2,\"f\":1,\"d\":2,\"y\":\"AA==\",\"s\":\"abc\",\"x\":\"AAE=\","
         "\"e\":\"A\",\"r\":[1,2],\"m\":{\"k\":\"v\"},\"u\":\"w\",\"end\":7}",
         "{\"end\":7}"},
        /* Recursive types. */
        {"recursive", LIST("L"), LIST("L"), "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}",
         "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}"},
        {"recursive, with a new field", LIST("L"),
         "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"L\"]},{"
         "\"name\":\"w\",\"type\":\"string\",\"default\":\"d\"}]}",
         "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}", "{\"next\":{\"next\":null,\"w\":\"d\"},\"w\":\"d\"}"},
        {"recursive and skipped", R(F("l", LIST("L")) "," F("end", "\"int\"")), R(F("end", "\"int\"")),
         "{\"l\":{\"v\":1,\"next\":{\"v\":2,\"next\":null}},\"end\":5}", "{\"end\":5}"},
        /* Both unions. */
        {"unions in another order", "[\"null\",\"int\"]", "[\"int\",\"null\"]", "5", "5"},
        {"union with more branches", "[\"null\",\"int\"]", "[\"string\",\"null\",\"int\"]", "null", "null"},
        {"union with fewer branches", "[\"null\",\"int\",\"string\"]", "[\"null\",\"int\"]", "5", "5"},
        {"a branch is promoted", "[\"null\",\"int\"]", "[\"null\",\"double\"]", "5", "5.0"},
        {"records in unions", "[" R(F("a", "\"int\"")) "]",
         "[\"null\"," R(F("a", "\"int\"") "," D("b", "\"int\"", "1")) "]", "{\"a\":1}", "{\"a\":1,\"b\":1}"},
        /* The reader's is a union, the writer's is not. */
        {"into a union", "\"int\"", "[\"null\",\"int\"]", "5", "5"},
        {"into a union, promoted", "\"int\"", "[\"null\",\"long\"]", "5", "5"},
        {"the first that matches", "\"int\"", "[\"string\",\"float\",\"long\"]", "5", "5.0"},
        {"the very same type goes before the first that matches", "\"int\"", "[\"double\",\"int\"]", "5",
         "5"},
        {"fixed into a union, by its size", FIXED("a.F", "2"),
         "[" FIXED("b.F", "1") "," FIXED("c.F", "2") "]", "\"AAE=\"", "\"AAE=\""},
        {"string into a union of bytes", "\"string\"", "[\"null\",\"bytes\"]", "\"abc\"", "\"YWJj\""},
        {"array into a union", ARRAY("\"int\""), "[\"null\"," ARRAY("\"long\"") "]", "[1]", "[1]"},
        {"array into the array whose items match", ARRAY("\"int\""),
         "[" MAP("\"int\"") "," ARRAY("\"long\"") "]", "[1]", "[1]"},
        {"record into a union, by its name", R(F("a", "\"int\"")),
         "[{\"type\":\"record\",\"name\":\"S\",\"fields\":[]}," R(F("a", "\"int\"")) "]", "{\"a\":1}",
         "{\"a\":1}"},
        {"record into a union, by its full name",
         "{\"type\":\"record\",\"name\":\"b.R\",\"fields\":[" F("x", "\"int\"") "]}",
         "[{\"type\":\"record\",\"name\":\"a.R\",\"fields\":[]},{\"type\":\"record\",\"name\":\"b.R\","
         "\"fields\":[" F("x", "\"int\"") "]}]",
         "{\"x\":1}", "{\"x\":1}"},
        /* The writer's is a union, the reader's is not. */
        {"out of a union", "[\"null\",\"int\"]", "\"int\"", "5", "5"},
        {"out of a union, promoted", "[\"null\",\"int\"]", "\"double\"", "5", "5.0"},
        {"union of one", "[\"int\"]", "\"int\"", "5", "5"},
        /* Logical types. */
        {"decimals alike", DECIMAL("5", "2"), DECIMAL("5", "2"), "\"1.50\"", "\"1.50\""},
        {"a decimal as its bytes", DECIMAL("5", "2"), "\"bytes\"", "\"1.50\"", "\"AJY=\""},
        {"date as int", "{\"type\":\"int\",\"logicalType\":\"date\"}", "\"int\"", "\"1970-01-02\"", "1"},
        {"int as date", "\"int\"", "{\"type\":\"int\",\"logicalType\":\"date\"}", "1", "\"1970-01-02\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *read = stage_resolve(cases[i].writer, cases[i].reader, cases[i].json);
        if (strcmp(read, cases[i].read) != 0)
            fail_msg("%s: wanted %s, got %s", cases[i].rule, cases[i].read, read);
    }
}

static void what_the_rules_forbid_is_an_error_with_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *writer, *reader, *json, *part;
    } cases[] = {
        {"int as string", "\"int\"", "\"string\"", "1", "the value: int cannot be read as string"},
        {"long as int", "\"long\"", "\"int\"", "1", "long cannot be read as int"},
        {"float as long", "\"float\"", "\"long\"", "1", "float cannot be read as long"},
        {"double as float", "\"double\"", "\"float\"", "1", "double cannot be read as float"},
        {"float as int", "\"float\"", "\"int\"", "1", "float cannot be read as int"},
        {"boolean as int", "\"boolean\"", "\"int\"", "true", "boolean cannot be read as int"},
        {"int as boolean", "\"int\"", "\"boolean\"", "1", "int cannot be read as boolean"},
        {"null as int", "\"null\"", "\"int\"", "null", "null cannot be read as int"},
        {"string as int", "\"string\"", "\"int\"", "\"1\"", "string cannot be read as int"},
        {"array as map", ARRAY("\"int\""), MAP("\"int\""), "[]", "array cannot be read as map"},
        {"record as map", R(""), MAP("\"int\""), "{}", "R cannot be read as map"},
        {"fixed as bytes", FIXED("F", "1"), "\"bytes\"", "\"AA==\"", "F cannot be read as bytes"},
        {"bytes as fixed", "\"bytes\"", FIXED("F", "1"), "\"AA==\"", "bytes cannot be read as F"},
        {"enum as string", ENUM("E", "\"A\""), "\"string\"", "\"A\"", "E cannot be read as string"},
        {"record of another name", R(""), "{\"type\":\"record\",\"name\":\"S\",\"fields\":[]}", "{}",
         "the record R cannot be read as S"},
        {"the writer's alias does not count",
         "{\"type\":\"record\",\"name\":\"A\",\"aliases\":[\"B\"],\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"B\",\"fields\":[]}", "{}", "the record A cannot be read as B"},
        {"fixed of another name", FIXED("F", "1"), FIXED("G", "1"), "\"AA==\"",
         "the fixed F cannot be read as G"},
        {"fixed of another size", FIXED("F", "1"), FIXED("F", "2"), "\"AA==\"",
         "the fixed F of 1 bytes cannot be read as one of 2"},
        {"enum of another name", ENUM("E", "\"A\""), ENUM("G", "\"A\""), "\"A\"",
         "the enum E cannot be read as G"},
        {"a symbol that is not there", ENUM("E", "\"A\",\"B\""), ENUM("E", "\"A\""), "\"B\"",
         "the symbol B is none of the reader's enum E"},
        {"a field without a default", R(""), R(F("a", "\"int\"")), "{}",
         "a: the reader's field is not written and has no default"},
        {"deep within", R(F("b", ARRAY("{\"type\":\"record\",\"name\":\"S\",\"fields\":[]}"))),
         R(F("b", ARRAY("{\"type\":\"record\",\"name\":\"S\",\"fields\":[" F("c", "\"int\"") "]}"))),
         "{\"b\":[{}]}", "b[0].c: the reader's field is not written"},
        {"a field's type", R(F("a", "\"string\"")), R(F("a", "\"int\"")), "{\"a\":\"x\"}",
         "a: string cannot be read as int"},
        {"a field under its alias is not under its name",
         R("{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"b\"]}"), R(F("b", "\"int\"")), "{\"a\":1}",
         "b: the reader's field is not written"},
        {"items of an array", ARRAY("\"string\""), ARRAY("\"int\""), "[\"x\"]",
         "[0]: string cannot be read as int"},
        {"values of a map", MAP("\"string\""), MAP("\"int\""), "{\"k\":\"x\"}",
         "[\"k\"]: string cannot be read as int"},
        {"into a union that has no such branch", "\"string\"", "[\"null\",\"int\"]", "\"x\"",
         "no branch of the reader's union takes string"},
        {"into an empty union", "\"string\"", "[]", "\"x\"", "no branch of the reader's union takes string"},
        {"out of a union, the wrong branch", "[\"null\",\"int\"]", "\"int\"", "null",
         "null cannot be read as int"},
        {"unions, the wrong branch", "[\"null\",\"string\"]", "[\"null\",\"int\"]", "\"x\"",
         "no branch of the reader's union takes string"},
        {"arrays into a union of arrays", ARRAY("\"string\""), "[\"null\"," ARRAY("\"int\"") "]", "[]",
         "no branch of the reader's union takes array"},
        {"decimals of another scale", DECIMAL("5", "2"), DECIMAL("5", "3"), "\"1\"",
         "a decimal(5, 2) cannot be read as a decimal(5, 3)"},
        {"decimals of another precision", DECIMAL("5", "2"), DECIMAL("6", "2"), "\"1\"",
         "a decimal(5, 2) cannot be read as a decimal(6, 2)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        stage_expect_failure(cases[i].rule, stage_resolve(cases[i].writer, cases[i].reader, cases[i].json),
                             "INCOMPATIBLE", cases[i].part);
}

static void bytes_that_are_no_text_are_not_read_as_a_string(void **state)
{
    (void)state;
    stage_expect_failure("bytes to string", stage_resolve("\"bytes\"", "\"string\"", "\"/w==\""), "CORRUPT",
                         "no UTF-8 at its byte 0");
}

static void what_no_value_can_avoid_is_refused_before_any_comes(void **state)
{
    (void)state;
    pbus_schema *writer = stage_schema(R(F("a", "\"int\"") "," F("b", "[\"null\",\"string\"]")));
    pbus_schema *reader = stage_schema(R(F("a", "\"string\"") "," F("b", "\"null\"") "," F("c", "\"int\"")));
    pbus_decoder *decoder = NULL;
    pbus_error err;
    assert_int_equal(pbus_decoder_new(writer, reader, NULL, &decoder, &err), PBUS_ERROR_INCOMPATIBLE);
    assert_string_equal(err.message, "a: int cannot be read as string (and 2 more)");
    assert_null(decoder);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
    writer = stage_schema(ENUM("E", "\"A\",\"B\""));
    reader = stage_schema(ENUM("E", "\"C\""));
    assert_int_equal(pbus_decoder_new(writer, reader, NULL, &decoder, &err), PBUS_ERROR_INCOMPATIBLE);
    assert_non_null(strstr(err.message, "the symbol A is none of the reader's enum E"));
    assert_null(decoder);
    pbus_schema_free(writer);
    pbus_schema_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_rules_allow_is_read),
        cmocka_unit_test(what_the_rules_forbid_is_an_error_with_its_path),
        cmocka_unit_test(bytes_that_are_no_text_are_not_read_as_a_string),
        cmocka_unit_test(what_no_value_can_avoid_is_refused_before_any_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
