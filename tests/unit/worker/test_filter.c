/* Filters: what each test and each place takes, what it does not, and what is refused. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "filter.h"

static const pbus_record_header headers[] = {
    {"tenant", "acme", 4}, {"none", NULL, 0}, {"void", "", 0}, {"tenant", "second", 6}};

static const char value[] = "{\"name\": \"Ada\", \"age\": 36, \"rate\": 1.50, \"on\": true, \"off\": false, "
                            "\"nil\": null, \"empty\": \"\","
                            " \"spaces\": \" \\t\", \"list\": [{\"sku\": \"x1\"}, 7], \"no_list\": [], "
                            "\"no_object\": {}, \"customer\": {\"country\": \"NL\"},"
                            " \"zero\": \"a\\u0000b\"}";

static pbus_delivery event_of(const char *json)
{
    return (pbus_delivery){.key = "42",
                           .key_size = 2,
                           .value = json,
                           .value_size = json ? strlen(json) : 0,
                           .type = "order.created",
                           .headers = headers,
                           .n_headers = 4};
}

static filter_match ask(const pbus_condition *conditions, size_t n, const pbus_delivery *event)
{
    filter *f;
    pbus_error err;
    if (filter_new(conditions, n, &f, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    filter_match match = filter_ask(f, event);
    filter_free(f);
    return match;
}

typedef struct row {
    pbus_condition condition;
    filter_match expected;
} row;

static void expect_rows(const row *rows, size_t n, const pbus_delivery *event)
{
    for (size_t i = 0; i < n; i++) {
        filter_match match = ask(&rows[i].condition, 1, event);
        if (match != rows[i].expected)
            fail_msg("%s %s %s: %d", rows[i].condition.field, filter_test_name(rows[i].condition.test),
                     rows[i].condition.text ? rows[i].condition.text : "", (int)match);
    }
}

/* Promise E3. */
static void each_test_holds_where_it_should_and_nowhere_else(void **state)
{
    (void)state;
    const pbus_delivery event = event_of(value);
    static const row rows[] = {
        {{"type", PBUS_TEST_EQUALS, "order.created"}, FILTER_YES},
        {{"type", PBUS_TEST_EQUALS, "order"}, FILTER_NO},
        {{"type", PBUS_TEST_EQUALS, "ORDER.CREATED"}, FILTER_NO},
        {{"type", PBUS_TEST_EQUALS, ""}, FILTER_NO},
        {{"type", PBUS_TEST_MATCHES, "order\\..*"}, FILTER_YES},
        {{"type", PBUS_TEST_MATCHES, "order"}, FILTER_NO},
        {{"type", PBUS_TEST_MATCHES, "created"}, FILTER_NO},
        {{"type", PBUS_TEST_MATCHES, "[^])\\1]*[[:alpha:])]\\)*"}, FILTER_YES},
        {{"type", PBUS_TEST_MATCHES, "x|order.created"}, FILTER_YES},
        {{"type", PBUS_TEST_MATCHES, "order|created"}, FILTER_NO},
        {{"type", PBUS_TEST_PRESENT, NULL}, FILTER_YES},
        {{"type", PBUS_TEST_ABSENT, NULL}, FILTER_NO},
        {{"key", PBUS_TEST_EQUALS, "42"}, FILTER_YES},
        {{"key", PBUS_TEST_EQUALS, "4"}, FILTER_NO},
        {{"key", PBUS_TEST_EQUALS, "421"}, FILTER_NO},
        {{"key", PBUS_TEST_MATCHES, "[0-9]{2}"}, FILTER_YES},
        {{"key", PBUS_TEST_MATCHES, "[0-9]"}, FILTER_NO},
        {{"header:tenant", PBUS_TEST_EQUALS, "acme"}, FILTER_YES},
        {{"header:tenant", PBUS_TEST_EQUALS, "second"}, FILTER_NO},
        {{"header:Tenant", PBUS_TEST_PRESENT, NULL}, FILTER_NO},
        {{"header:none", PBUS_TEST_PRESENT, NULL}, FILTER_YES},
        {{"header:none", PBUS_TEST_EMPTY, NULL}, FILTER_YES},
        {{"header:none", PBUS_TEST_EQUALS, ""}, FILTER_NO},
        {{"header:void", PBUS_TEST_EQUALS, ""}, FILTER_YES},
        {{"header:void", PBUS_TEST_VALUE, NULL}, FILTER_NO},
        {{"header:gone", PBUS_TEST_ABSENT, NULL}, FILTER_YES},
        {{"header:gone", PBUS_TEST_EMPTY, NULL}, FILTER_NO},
        {{"header:gone", PBUS_TEST_BLANK, NULL}, FILTER_YES},
        {{"header:gone", PBUS_TEST_MATCHES, ".*"}, FILTER_NO},
        {{"value:name", PBUS_TEST_EQUALS, "Ada"}, FILTER_YES},
        {{"value:name", PBUS_TEST_EQUALS, "ada"}, FILTER_NO},
        {{"value:age", PBUS_TEST_EQUALS, "36"}, FILTER_YES},
        {{"value:age", PBUS_TEST_EQUALS, "36.0"}, FILTER_NO},
        {{"value:age", PBUS_TEST_EQUALS, "036"}, FILTER_NO},
        {{"value:age", PBUS_TEST_MATCHES, "3."}, FILTER_YES},
        {{"value:rate", PBUS_TEST_EQUALS, "1.5"}, FILTER_YES},
        {{"value:rate", PBUS_TEST_EQUALS, "1.5x"}, FILTER_NO},
        {{"value:rate", PBUS_TEST_EQUALS, ""}, FILTER_NO},
        {{"value:on", PBUS_TEST_EQUALS, "true"}, FILTER_YES},
        {{"value:off", PBUS_TEST_VALUE, NULL}, FILTER_YES},
        {{"value:nil", PBUS_TEST_PRESENT, NULL}, FILTER_YES},
        {{"value:nil", PBUS_TEST_EMPTY, NULL}, FILTER_YES},
        {{"value:nil", PBUS_TEST_EQUALS, "null"}, FILTER_NO},
        {{"value:empty", PBUS_TEST_EMPTY, NULL}, FILTER_YES},
        {{"value:empty", PBUS_TEST_EQUALS, ""}, FILTER_YES},
        {{"value:spaces", PBUS_TEST_BLANK, NULL}, FILTER_YES},
        {{"value:spaces", PBUS_TEST_EMPTY, NULL}, FILTER_NO},
        {{"value:spaces", PBUS_TEST_VALUE, NULL}, FILTER_NO},
        {{"value:no_list", PBUS_TEST_EMPTY, NULL}, FILTER_YES},
        {{"value:no_object", PBUS_TEST_EMPTY, NULL}, FILTER_YES},
        {{"value:list", PBUS_TEST_EMPTY, NULL}, FILTER_NO},
        {{"value:list", PBUS_TEST_VALUE, NULL}, FILTER_YES},
        {{"value:list", PBUS_TEST_EQUALS, ""}, FILTER_NO},
        {{"value:list", PBUS_TEST_MATCHES, ".*"}, FILTER_NO},
        {{"value:list.0.sku", PBUS_TEST_EQUALS, "x1"}, FILTER_YES},
        {{"value:list.1", PBUS_TEST_EQUALS, "7"}, FILTER_YES},
        {{"value:list.2", PBUS_TEST_PRESENT, NULL}, FILTER_NO},
        {{"value:list.x", PBUS_TEST_PRESENT, NULL}, FILTER_NO},
        {{"value:list.99999999999999999999", PBUS_TEST_PRESENT, NULL}, FILTER_NO},
        {{"value:customer.country", PBUS_TEST_EQUALS, "NL"}, FILTER_YES},
        {{"value:customer", PBUS_TEST_EQUALS, "NL"}, FILTER_NO},
        {{"value:customer.city", PBUS_TEST_ABSENT, NULL}, FILTER_YES},
        {{"value:name.first", PBUS_TEST_ABSENT, NULL}, FILTER_YES},
        {{"value:zero", PBUS_TEST_EQUALS, "a"}, FILTER_NO},
        {{"value:zero", PBUS_TEST_MATCHES, "a"}, FILTER_NO},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0], &event);
}

static void what_is_too_large_for_a_number_or_half_a_character_spoils_no_other_field(void **state)
{
    (void)state;
    static const char odd[] = "{\"name\": \"Ada\", \"id\": 9007199254740993, \"big\": 18446744073709551616, "
                              "\"low\": -9223372036854775809,"
                              " \"huge\": 1e400, \"less\" : [-1E+400 ,36], \"half\": \"x\\uD800\\n\", "
                              "\"other\": \"\\udc00\\\\ud800\","
                              " \"twice\": \"\\ud83d\\ud83d\\ude00\", \"q\": \"\\\"1e400\", \"1e400\": "
                              "\"name\", \"n\\uDFFFn\": 1.5}";
    const pbus_delivery event = event_of(odd);
    static const row rows[] = {
        {{"value:name", PBUS_TEST_EQUALS, "Ada"}, FILTER_YES},
        {{"value:id", PBUS_TEST_EQUALS, "9007199254740993"}, FILTER_YES},
        {{"value:id", PBUS_TEST_EQUALS, "9007199254740992"}, FILTER_NO},
        {{"value:big", PBUS_TEST_EQUALS, "18446744073709551616"}, FILTER_YES},
        {{"value:big", PBUS_TEST_EQUALS, "18446744073709551617"}, FILTER_NO},
        {{"value:big", PBUS_TEST_EQUALS, "18446744073709551616.0"}, FILTER_NO},
        {{"value:big", PBUS_TEST_MATCHES, "1[0-9]*6"}, FILTER_YES},
        {{"value:big", PBUS_TEST_VALUE, NULL}, FILTER_YES},
        {{"value:low", PBUS_TEST_EQUALS, "-9223372036854775809"}, FILTER_YES},
        {{"value:huge", PBUS_TEST_EQUALS, "1e400"}, FILTER_YES},
        {{"value:huge", PBUS_TEST_EQUALS, "1e401"}, FILTER_NO},
        {{"value:huge", PBUS_TEST_EQUALS, "inf"}, FILTER_NO},
        {{"value:huge", PBUS_TEST_EMPTY, NULL}, FILTER_NO},
        {{"value:less.0", PBUS_TEST_EQUALS, "-1E+400"}, FILTER_YES},
        {{"value:less.1", PBUS_TEST_EQUALS, "36"}, FILTER_YES},
        {{"value:half", PBUS_TEST_EQUALS, "x\xef\xbf\xbd\n"}, FILTER_YES},
        {{"value:half", PBUS_TEST_EQUALS, "x"}, FILTER_NO},
        {{"value:other", PBUS_TEST_EQUALS, "\xef\xbf\xbd\\ud800"}, FILTER_YES},
        {{"value:twice", PBUS_TEST_EQUALS, "\xef\xbf\xbd\xf0\x9f\x98\x80"}, FILTER_YES},
        {{"value:q", PBUS_TEST_EQUALS, "\"1e400"}, FILTER_YES},
        {{"value:1e400", PBUS_TEST_EQUALS, "name"}, FILTER_YES},
        {{"value:n\xef\xbf\xbdn", PBUS_TEST_EQUALS, "1.5"}, FILTER_YES},
        {{"value:gone", PBUS_TEST_ABSENT, NULL}, FILTER_YES},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0], &event);
}

static void a_value_that_is_no_json_stays_unreadable_beside_what_is_too_large(void **state)
{
    (void)state;
    static const pbus_condition condition = {"value:a", PBUS_TEST_ABSENT, NULL};
    static const char *const texts[] = {"{1e400: 1}",
                                        "{\"a\": 1e400",
                                        "[1e400 1]",
                                        "[01e400]",
                                        "[+1e400]",
                                        "[1e400x]",
                                        "[1e]",
                                        "[1e400.]",
                                        "[1.e400]",
                                        "[.1e400]",
                                        "[-]",
                                        "[1e400,]",
                                        "[\"\\ud800]",
                                        "[\"\\ud80\"]",
                                        "[\"\\ud8zz\"]",
                                        "[\"\\uD800\xff\"]",
                                        "[\"\\ud800\n\"]",
                                        "\"\\ud800",
                                        "\"\\",
                                        "[1e400][1]",
                                        "{\"a\" 1e400}",
                                        "[true1e400]",
                                        "[\"a\"1e400]",
                                        "{1e400 :1}",
                                        "[\"\\x\", 1e400]",
                                        "[1e400, \"\t\"]",
                                        "[18446744073709551616e]",
                                        "[1e400-]",
                                        "-1e400-",
                                        "[1e400\"]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const pbus_delivery event = event_of(texts[i]);
        if (ask(&condition, 1, &event) != FILTER_UNREADABLE)
            fail_msg("%s is no JSON", texts[i]);
    }
}

static void a_value_that_is_no_json_is_unreadable_only_where_it_matters(void **state)
{
    (void)state;
    static const pbus_condition both[] = {{"type", PBUS_TEST_EQUALS, "other"},
                                          {"value:name", PBUS_TEST_PRESENT, NULL}};
    static const row no_json[] = {{{"value:name", PBUS_TEST_ABSENT, NULL}, FILTER_UNREADABLE},
                                  {{"value:name", PBUS_TEST_EQUALS, "x"}, FILTER_UNREADABLE},
                                  {{"type", PBUS_TEST_PRESENT, NULL}, FILTER_YES}};
    static const char *const texts[] = {"", "{", "{\"name\": }", "x", "{} {}", "\xff", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        pbus_delivery event = event_of(texts[i]);
        expect_rows(no_json, 3, &event);
        assert_int_equal(ask(both, 2, &event), FILTER_NO);
    }
    static const row tombstone[] = {{{"value:name", PBUS_TEST_ABSENT, NULL}, FILTER_YES},
                                    {{"value:name", PBUS_TEST_PRESENT, NULL}, FILTER_NO}};
    pbus_delivery gone = event_of(NULL);
    expect_rows(tombstone, 2, &gone);
    static const row scalar[] = {{{"value:name", PBUS_TEST_PRESENT, NULL}, FILTER_NO},
                                 {{"value:0", PBUS_TEST_ABSENT, NULL}, FILTER_YES}};
    pbus_delivery number = event_of("7");
    expect_rows(scalar, 2, &number);
}

static void a_value_that_was_read_as_json_is_asked_as_that(void **state)
{
    (void)state;
    pbus_delivery event = {.value = "\2\6Ada", .value_size = 5};
    const pbus_condition condition = {"value:name", PBUS_TEST_EQUALS, "Ada"};
    assert_int_equal(ask(&condition, 1, &event), FILTER_UNREADABLE);
    event.value_json = "{\"name\":\"Ada\"}, and no more";
    event.value_json_size = strlen("{\"name\":\"Ada\"}");
    assert_int_equal(ask(&condition, 1, &event), FILTER_YES);
    event.value_json_size--;
    assert_int_equal(ask(&condition, 1, &event), FILTER_UNREADABLE);
}

/* Promise E3. */
static void all_conditions_must_hold_none_means_never_and_no_filter_means_always(void **state)
{
    (void)state;
    const pbus_delivery event = event_of(value);
    static const pbus_condition three[] = {{"type", PBUS_TEST_PRESENT, NULL},
                                           {"key", PBUS_TEST_EQUALS, "42"},
                                           {"value:age", PBUS_TEST_EQUALS, "37"}};
    assert_int_equal(ask(three, 2, &event), FILTER_YES);
    assert_int_equal(ask(three, 3, &event), FILTER_NO);
    assert_int_equal(ask(three, 0, &event), FILTER_NO);
    assert_int_equal(ask(NULL, 0, &event), FILTER_YES);
    const pbus_delivery bare = {.value = "x", .value_size = 1};
    assert_int_equal(ask(&(pbus_condition){"type", PBUS_TEST_ABSENT, NULL}, 1, &bare), FILTER_YES);
    assert_int_equal(ask(&(pbus_condition){"key", PBUS_TEST_ABSENT, NULL}, 1, &bare), FILTER_YES);
    assert_int_equal(ask(&(pbus_condition){"key", PBUS_TEST_EMPTY, NULL}, 1, &bare), FILTER_NO);
}

/* Promise E3. */
static void what_can_never_be_right_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        pbus_condition condition;
        const char *says;
    } rows[] = {
        {{NULL, PBUS_TEST_PRESENT, NULL}, "(NULL)"},
        {{"", PBUS_TEST_PRESENT, NULL}, "looks at \"\""},
        {{"Type", PBUS_TEST_PRESENT, NULL}, "\"Type\""},
        {{"header:", PBUS_TEST_PRESENT, NULL}, "header:NAME"},
        {{"value:", PBUS_TEST_PRESENT, NULL}, "value:PATH"},
        {{"value:.a", PBUS_TEST_PRESENT, NULL}, "value:.a"},
        {{"value:a.", PBUS_TEST_PRESENT, NULL}, "value:a."},
        {{"value:a..b", PBUS_TEST_PRESENT, NULL}, "value:a..b"},
        {{"value:\xff", PBUS_TEST_PRESENT, NULL}, "not UTF-8"},
        {{"type", (pbus_test)7, NULL}, "test 7"},
        {{"type", (pbus_test)-1, NULL}, "test -1"},
        {{"type", PBUS_TEST_EQUALS, NULL}, "needs a text"},
        {{"type", PBUS_TEST_MATCHES, NULL}, "needs a text"},
        {{"type", PBUS_TEST_PRESENT, "x"}, "takes no text"},
        {{"type", PBUS_TEST_BLANK, ""}, "takes no text"},
        {{"type", PBUS_TEST_EQUALS, "\xc3"}, "not UTF-8"},
        {{"type", PBUS_TEST_MATCHES, "["}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "("}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "a)|(b"}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "order.paid)|order.sent"}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "[[:alpha:](])"}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "(a)(b)\\2"}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "a{2,1}"}, "no POSIX extended regular expression"},
        {{"type", PBUS_TEST_MATCHES, "\\"}, "no POSIX extended regular expression"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        filter *f = NULL;
        pbus_error err;
        assert_int_equal(filter_new(&rows[i].condition, 1, &f, &err), PBUS_ERROR_ARGUMENT);
        assert_null(f);
        if (!strstr(err.message, rows[i].says))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.message, rows[i].says);
    }
    filter *f = NULL;
    assert_int_equal(filter_new(NULL, 1, &f, NULL), PBUS_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_test_holds_where_it_should_and_nowhere_else),
        cmocka_unit_test(what_is_too_large_for_a_number_or_half_a_character_spoils_no_other_field),
        cmocka_unit_test(a_value_that_is_no_json_stays_unreadable_beside_what_is_too_large),
        cmocka_unit_test(a_value_that_is_no_json_is_unreadable_only_where_it_matters),
        cmocka_unit_test(a_value_that_was_read_as_json_is_asked_as_that),
        cmocka_unit_test(all_conditions_must_hold_none_means_never_and_no_filter_means_always),
        cmocka_unit_test(what_can_never_be_right_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
