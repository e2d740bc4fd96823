/* Compatibility: what a new schema may change, in which direction, and what is said against the rest. */
#include <stdio.h>

#include "stage.h"

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define A "{\"name\":\"a\",\"type\":\"int\"}"
#define B "{\"name\":\"b\",\"type\":\"string\"}"
#define B_DEFAULT "{\"name\":\"b\",\"type\":\"string\",\"default\":\"\"}"

typedef pbus_status comparison(const pbus_schema *schema, const pbus_schema *const *earlier, size_t n_earlier,
                               pbus_compatibility mode, pbus_incompatibilities *out, pbus_error *err);

/* All that is found in the new schema, one a line. */
static const char *compare_by(comparison *by, pbus_compatibility mode, const char *text,
                              const char *const *earlier_texts, size_t n)
{
    static char found[4096];
    pbus_schema *schema = stage_schema(text), *earlier[8];
    pbus_incompatibilities list = {0};
    pbus_error err;
    for (size_t i = 0; i < n; i++)
        earlier[i] = stage_schema(earlier_texts[i]);
    pbus_status status = by(schema, (const pbus_schema *const *)earlier, n, mode, &list, &err);
    size_t used = 0;
    found[0] = '\0';
    for (size_t i = 0; i < list.n_items; i++)
        used += (size_t)snprintf(found + used, sizeof found - used, "%zu%c%s: %s\n", list.items[i].earlier,
                                 list.items[i].new_reads_earlier ? '<' : '>', list.items[i].path,
                                 list.items[i].reason);
    assert_true((status == PBUS_ERROR_INCOMPATIBLE) == (list.n_items > 0 && by == pbus_schema_compare));
    assert_true(status == PBUS_OK || status == PBUS_ERROR_INCOMPATIBLE);
    pbus_incompatibilities_done(&list);
    for (size_t i = 0; i < n; i++)
        pbus_schema_free(earlier[i]);
    pbus_schema_free(schema);
    return found;
}

/* All that stands against it. */
static const char *compare(pbus_compatibility mode, const char *text, const char *const *earlier_texts,
                           size_t n)
{
    return compare_by(pbus_schema_compare, mode, text, earlier_texts, n);
}

static void each_change_is_compatible_in_the_directions_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *change, *earlier, *later;
        bool backward, forward;
    } cases[] = {
        {"nothing", R(A), R(A), true, true},
        {"a field with a default is added", R(A), R(A "," B_DEFAULT), true, true},
        {"a field without a default is added", R(A), R(A "," B), false, true},
        {"a field without a default is removed", R(A "," B), R(A), true, false},
        {"a field with a default is removed", R(A "," B_DEFAULT), R(A), true, true},
        {"int becomes long", "\"int\"", "\"long\"", true, false},
        {"long becomes int", "\"long\"", "\"int\"", false, true},
        {"string becomes bytes", "\"string\"", "\"bytes\"", true, true},
        {"int becomes string", "\"int\"", "\"string\"", false, false},
        {"a type becomes a union", "\"int\"", "[\"null\",\"int\"]", true, false},
        {"a union gets a branch", "[\"null\",\"int\"]", "[\"null\",\"int\",\"string\"]", true, false},
        {"a union loses a branch", "[\"null\",\"int\",\"string\"]", "[\"null\",\"int\"]", false, true},
        {"an enum gets a symbol", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", true, false},
        {"an enum with a default gets a symbol",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"A\"}",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"],\"default\":\"A\"}", true, true},
        {"a record is renamed", "{\"type\":\"record\",\"name\":\"A\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"B\",\"fields\":[]}", false, false},
        {"and has an alias", "{\"type\":\"record\",\"name\":\"A\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"B\",\"aliases\":[\"A\"],\"fields\":[]}", true, false},
        {"a field is renamed, with an alias", R(A),
         R("{\"name\":\"z\",\"type\":\"int\",\"aliases\":[\"a\"]}"), true, false},
        {"a namespace is changed", "{\"type\":\"record\",\"name\":\"x.A\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"y.A\",\"fields\":[]}", true, true},
        {"a fixed grows", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}",
         "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", false, false},
        {"the order of fields", R(A "," B), R(B "," A), true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *change = cases[i].change;
        const char *earlier[] = {cases[i].earlier};
        bool backward = !*compare(PBUS_COMPATIBILITY_BACKWARD, cases[i].later, earlier, 1);
        bool forward = !*compare(PBUS_COMPATIBILITY_FORWARD, cases[i].later, earlier, 1);
        bool full = !*compare(PBUS_COMPATIBILITY_FULL, cases[i].later, earlier, 1);
        if (backward != cases[i].backward || forward != cases[i].forward || full != (backward && forward))
            fail_msg("%s: backward %d, forward %d, full %d", change, backward, forward, full);
        assert_string_equal(compare(PBUS_COMPATIBILITY_NONE, cases[i].later, earlier, 1), "");
    }
}

static void everything_that_stands_against_it_is_told_with_its_path(void **state)
{
    (void)state;
    const char *earlier[] = {R("{\"name\":\"lines\",\"type\":{\"type\":\"array\",\"items\":{\"type\":"
                               "\"record\",\"name\":\"Line\",\"fields\":["
                               "{\"name\":\"price\",\"type\":\"double\"},{\"name\":\"state\",\"type\":{"
                               "\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\"]}}]}}},"
                               "{\"name\":\"tags\",\"type\":{\"type\":\"map\",\"values\":\"string\"}},{"
                               "\"name\":\"note\",\"type\":[\"null\",\"string\",\"Line\"]}")};
    const char *later = R("{\"name\":\"lines\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
                          "\"name\":\"Line\",\"fields\":["
                          "{\"name\":\"price\",\"type\":\"int\"},{\"name\":\"state\",\"type\":{\"type\":"
                          "\"enum\",\"name\":\"E\",\"symbols\":[\"B\"]}}]}}},"
                          "{\"name\":\"tags\",\"type\":{\"type\":\"map\",\"values\":\"int\"}},{\"name\":"
                          "\"note\",\"type\":[\"null\",\"int\"]},{\"name\":\"more\",\"type\":\"int\"}");
    assert_string_equal(
        compare(PBUS_COMPATIBILITY_BACKWARD, later, earlier, 1),
        "0<lines[*].price: double cannot be read as int\n"
        "0<lines[*].state: the symbol A is none of the reader's enum E, which has no default\n"
        "0<lines[*].state: the symbol C is none of the reader's enum E, which has no default\n"
        "0<tags[*]: string cannot be read as int\n"
        "0<note|string: no branch of the reader's union takes string\n"
        "0<note|Line: no branch of the reader's union takes Line\n"
        "0<more: the reader's field is not written and has no default\n");
}

static void transitive_modes_look_at_all_earlier_schemas(void **state)
{
    (void)state;
    /* The field comes without a default, then gets one, then the first is read no more. */
    const char *earlier[] = {R(A), R(A "," B_DEFAULT)};
    assert_string_equal(compare(PBUS_COMPATIBILITY_BACKWARD, R(A "," B), earlier, 2), "");
    assert_string_equal(compare(PBUS_COMPATIBILITY_BACKWARD_TRANSITIVE, R(A "," B), earlier, 2),
                        "0<b: the reader's field is not written and has no default\n");
    const char *other[] = {R(A "," B), R(A "," B_DEFAULT)};
    assert_string_equal(compare(PBUS_COMPATIBILITY_FORWARD, R(A), other, 2), "");
    assert_string_equal(compare(PBUS_COMPATIBILITY_FORWARD_TRANSITIVE, R(A), other, 2),
                        "0>b: the reader's field is not written and has no default\n");
    assert_string_equal(compare(PBUS_COMPATIBILITY_FULL, R(A), other, 2), "");
    assert_string_equal(compare(PBUS_COMPATIBILITY_FULL_TRANSITIVE, R(A), other, 2),
                        "0>b: the reader's field is not written and has no default\n");
    assert_string_equal(compare(PBUS_COMPATIBILITY_FULL_TRANSITIVE, R(A), NULL, 0), "");
}

static void recursive_types_are_compared_once(void **state)
{
    (void)state;
    const char *earlier[] = {"{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"v\",\"type\":"
                             "\"int\"},{\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}"};
    assert_string_equal(compare(PBUS_COMPATIBILITY_BACKWARD,
                                "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"v\",\"type\":"
                                "\"string\"},{\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}",
                                earlier, 1),
                        "0<v: int cannot be read as string\n");
}

static void the_error_tells_the_first_and_how_many_there_are(void **state)
{
    (void)state;
    pbus_schema *earlier = stage_schema(R("")), *later = stage_schema(R(A "," B));
    const pbus_schema *list[] = {earlier};
    pbus_error err;
    assert_int_equal(pbus_schema_compare(later, list, 1, PBUS_COMPATIBILITY_FULL, NULL, &err),
                     PBUS_ERROR_INCOMPATIBLE);
    assert_string_equal(err.message, "a: the reader's field is not written and has no default; the new "
                                     "schema cannot read what the earlier one "
                                     "wrote (and 1 more)");
    assert_int_equal(pbus_schema_compare(NULL, list, 1, PBUS_COMPATIBILITY_FULL, NULL, &err),
                     PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_compare(later, NULL, 1, PBUS_COMPATIBILITY_FULL, NULL, &err),
                     PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_schema_compare(later, list, 1, (pbus_compatibility)7, NULL, &err),
                     PBUS_ERROR_ARGUMENT);
    pbus_schema_free(earlier);
    pbus_schema_free(later);
}

static void modes_have_names(void **state)
{
    (void)state;
    pbus_compatibility mode;
    pbus_error err;
    for (int i = 0; i <= PBUS_COMPATIBILITY_FULL_TRANSITIVE; i++) {
        assert_int_equal(
            pbus_compatibility_parse(pbus_compatibility_name((pbus_compatibility)i), &mode, &err), PBUS_OK);
        assert_int_equal(mode, i);
    }
    assert_int_equal(pbus_compatibility_parse("FORWARD_TRANSITIVE", &mode, &err), PBUS_OK);
    assert_int_equal(mode, PBUS_COMPATIBILITY_FORWARD_TRANSITIVE);
    assert_null(pbus_compatibility_name((pbus_compatibility)7));
    static const char *const wrong[] = {"",   "back", "backwards", "full transitive", "full-transitive-",
                                        "non"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(pbus_compatibility_parse(wrong[i], &mode, &err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(pbus_compatibility_parse(NULL, &mode, &err), PBUS_ERROR_ARGUMENT);
}

#define TIME(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define AT(type) "{\"name\":\"at\",\"type\":" type "}"
#define NEXT ",{\"name\":\"next\",\"type\":[\"null\",\"R\"]}"

/* Avro's rules take them for compatible. */
static void times_that_are_read_as_others_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *earlier, *later, *told;
    } cases[] = {
        {R(AT(TIME("long", "timestamp-millis"))), R(AT(TIME("long", "timestamp-micros"))),
         "0<at: timestamp-millis is read as timestamp-micros, and its numbers stay as they are\n"
         "0>at: timestamp-micros is read as timestamp-millis, and its numbers stay as they are\n"},
        {TIME("long", "timestamp-millis"), TIME("long", "local-timestamp-millis"),
         "0<the value: timestamp-millis is read as local-timestamp-millis, and its numbers stay as they are\n"
         "0>the value: local-timestamp-millis is read as timestamp-millis, and its numbers stay as they "
         "are\n"},
        {TIME("int", "time-millis"), TIME("long", "time-micros"),
         "0<the value: time-millis is read as time-micros, and its numbers stay as they are\n"},
        {"[\"null\"," TIME("int", "date") "]", "[\"null\"," TIME("long", "timestamp-millis") "]",
         "0<|int: date is read as timestamp-millis, and its numbers stay as they are\n"},
        {"{\"type\":\"array\",\"items\":" R(AT(TIME("long", "time-micros")) NEXT) "}",
         "{\"type\":\"array\",\"items\":" R(AT(TIME("long", "timestamp-micros")) NEXT) "}",
         "0<[*].at: time-micros is read as timestamp-micros, and its numbers stay as they are\n"
         "0>[*].at: timestamp-micros is read as time-micros, and its numbers stay as they are\n"},
        {TIME("long", "timestamp-millis"), TIME("long", "timestamp-millis"), ""},
        {TIME("long", "timestamp-millis"), "\"long\"", ""},
        {"\"int\"", TIME("long", "time-micros"), ""},
        {TIME("string", "uuid"), "\"string\"", ""},
        {R(A), R(A "," B), ""},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"B\"]}", ""},
        {"\"int\"", "\"string\"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(compare_by(pbus_schema_compare_meaning, PBUS_COMPATIBILITY_FULL, cases[i].later,
                                       &cases[i].earlier, 1),
                            cases[i].told);
    assert_string_equal(compare_by(pbus_schema_compare_meaning, PBUS_COMPATIBILITY_NONE, cases[0].later,
                                   &cases[0].earlier, 1),
                        "");
    pbus_schema *one = stage_schema("\"int\"");
    assert_int_equal(pbus_schema_compare_meaning(one, NULL, 0, PBUS_COMPATIBILITY_FULL, NULL, NULL),
                     PBUS_ERROR_ARGUMENT);
    pbus_schema_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_compatible_in_the_directions_it_is),
        cmocka_unit_test(everything_that_stands_against_it_is_told_with_its_path),
        cmocka_unit_test(transitive_modes_look_at_all_earlier_schemas),
        cmocka_unit_test(recursive_types_are_compared_once),
        cmocka_unit_test(the_error_tells_the_first_and_how_many_there_are),
        cmocka_unit_test(times_that_are_read_as_others_are_told),
        cmocka_unit_test(modes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
