/* Which events are refused before anything is sent, and how headers are written. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "event.h"

#define HEADERS(...)                                                                                         \
    .headers = (const pbus_header[]){__VA_ARGS__},                                                           \
    .n_headers = sizeof((pbus_header[]){__VA_ARGS__}) / sizeof(pbus_header)

static void an_unsound_event_is_refused_with_its_reason(void **state)
{
    (void)state;
    const struct {
        const char *name;
        pbus_event event;
        pbus_status status;
        const char *says;
    } cases[] = {
        {"no topic", {.value = "v", .value_size = 1}, PBUS_ERROR_TOPIC, "the topic is NULL"},
        {"empty topic", {.topic = ""}, PBUS_ERROR_TOPIC, "the topic is empty"},
        {"topic not ASCII", {.topic = "caf\xc3\xa9"}, PBUS_ERROR_TOPIC, "\"caf\\xC3\\xA9\" is not a topic"},
        {"topic not UTF-8", {.topic = "\xff"}, PBUS_ERROR_TOPIC, "\"\\xFF\" is not a topic"},
        {"size of no value", {.topic = "t", .value_size = 3}, PBUS_ERROR_ARGUMENT, "value_size is 3"},
        {"size of no key", {.topic = "t", .key_size = 4}, PBUS_ERROR_ARGUMENT, "key_size is 4"},
        {"number of no headers", {.topic = "t", .n_headers = 2}, PBUS_ERROR_ARGUMENT, "n_headers is 2"},
        {"type not UTF-8", {.topic = "t", .type = "ab\xe9"}, PBUS_ERROR_TYPE, "not UTF-8 at byte 2"},
        {"type a surrogate", {.topic = "t", .type = "\xed\xa0\x80"}, PBUS_ERROR_TYPE, "not UTF-8 at byte 0"},
        {"header without a name",
         {.topic = "t", HEADERS({NULL, "v"})},
         PBUS_ERROR_HEADERS,
         "NULL for its name"},
        {"empty name", {.topic = "t", HEADERS({"", "v"})}, PBUS_ERROR_HEADERS, "the empty name \"\""},
        {"name not UTF-8",
         {.topic = "t", HEADERS({"n\x80", "v"})},
         PBUS_ERROR_HEADERS,
         "name \"n\\x80\" is not"},
        {"no value",
         {.topic = "t", HEADERS({"n", NULL})},
         PBUS_ERROR_HEADERS,
         "\"n\" has NULL for its value"},
        {"value not UTF-8",
         {.topic = "t", HEADERS({"n", "xy\xfe"})},
         PBUS_ERROR_HEADERS,
         "not UTF-8 at byte 2"},
        {"overlong value",
         {.topic = "t", HEADERS({"n", "\xc0\x80"})},
         PBUS_ERROR_HEADERS,
         "not UTF-8 at byte 0"},
        {"second is bad",
         {.topic = "t", HEADERS({"a", "1"}, {"b", NULL})},
         PBUS_ERROR_HEADERS,
         "\"b\" has NULL"},
        {"name twice",
         {.topic = "t", HEADERS({"a", "1"}, {"b", "2"}, {"a", "1"})},
         PBUS_ERROR_HEADERS,
         "\"a\" is given twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        event_sizes sizes = {0};
        pbus_error err = {0};
        pbus_status status = event_check(&cases[i].event, 0, 1, false, &sizes, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].says))
            fail_msg("%s: %s \"%s\"", cases[i].name, pbus_status_name(status), err.message);
    }
}

static void one_event_of_many_is_named_by_its_place(void **state)
{
    (void)state;
    event_sizes sizes = {0};
    pbus_error err;
    assert_int_equal(event_check(&(pbus_event){0}, 17, 20, false, &sizes, &err), PBUS_ERROR_TOPIC);
    assert_int_equal(strncmp(err.message, "event 17 of 20: ", 16), 0);
    assert_int_equal(event_check(&(pbus_event){0}, 0, 1, false, &sizes, &err), PBUS_ERROR_TOPIC);
    assert_int_equal(strncmp(err.message, "the topic", 9), 0);
}

static void a_name_twice_is_found_among_many(void **state)
{
    (void)state;
    enum { N = 500 };
    static pbus_header headers[N];
    static char names[N][8];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "h%d", i);
        headers[i] = (pbus_header){names[i], "v"};
    }
    pbus_event event = {.topic = "t", .headers = headers, .n_headers = N};
    event_sizes sizes = {0};
    assert_int_equal(event_check(&event, 0, 1, false, &sizes, NULL), PBUS_OK);
    strcpy(names[N - 1], "h7");
    assert_int_equal(event_check(&event, 0, 1, false, &sizes, NULL), PBUS_ERROR_HEADERS);
}

static void a_type_beyond_ascii_needs_a_utf8_connection(void **state)
{
    (void)state;
    event_sizes sizes = {0};
    pbus_event event = {.topic = "t", .type = "caf\xc3\xa9"};
    pbus_error err;
    assert_int_equal(event_check(&event, 0, 1, false, &sizes, &err), PBUS_OK);
    assert_int_equal(event_check(&event, 0, 1, true, &sizes, &err), PBUS_ERROR_TYPE);
    assert_non_null(strstr(err.message, "PQsetClientEncoding"));
    event.type = "plain";
    assert_int_equal(event_check(&event, 0, 1, true, &sizes, &err), PBUS_OK);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    event_sizes sizes = {0};
    pbus_event event = {.topic = "t", .value = "v", .value_size = SIZE_MAX - 1};
    assert_int_equal(event_check(&event, 0, 2, false, &sizes, NULL), PBUS_OK);
    assert_int_equal(event_check(&event, 1, 2, false, &sizes, NULL), PBUS_ERROR_TOO_LARGE);
    sizes = (event_sizes){.headers = SIZE_MAX - 4};
    pbus_event headed = {.topic = "t", HEADERS({"name", "value"})};
    assert_int_equal(event_check(&headed, 0, 1, false, &sizes, NULL), PBUS_ERROR_TOO_LARGE);
}

static void absent_parts_are_told_from_empty_ones(void **state)
{
    (void)state;
    event_sizes sizes = {0};
    assert_int_equal(event_check(&(pbus_event){.topic = "t"}, 0, 2, false, &sizes, NULL), PBUS_OK);
    assert_false(sizes.any_key || sizes.any_type || sizes.any_headers || sizes.any_event_id);
    pbus_uuid id = {{1}};
    pbus_event event = {
        .topic = "t", .key = "", .value = "", .type = "", HEADERS({"n", ""}), .event_id = &id};
    assert_int_equal(event_check(&event, 1, 2, false, &sizes, NULL), PBUS_OK);
    assert_true(sizes.any_key && sizes.any_type && sizes.any_headers && sizes.any_event_id);
    assert_int_equal(sizes.event_id, 16);
    assert_int_equal(sizes.key, 0);
}

static void headers_become_an_object_of_the_measured_size(void **state)
{
    (void)state;
    pbus_event event = {.topic = "t", HEADERS({"a\"b", "1\n"}, {"caf\xc3\xa9", ""})};
    const char *json = "{\"a\\\"b\":\"1\\n\",\"caf\\u00e9\":\"\"}";
    event_sizes sizes = {0};
    bytes out = {0};
    assert_int_equal(event_check(&event, 0, 1, false, &sizes, NULL), PBUS_OK);
    event_put_headers(&out, &event);
    assert_int_equal(out.size, strlen(json));
    assert_memory_equal(out.data, json, out.size);
    assert_int_equal(event_headers_size(&event), out.size);
    assert_int_equal(sizes.headers, out.size);
    bytes_done(&out);
    assert_int_equal(event_headers_size(&(pbus_event){.topic = "t"}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unsound_event_is_refused_with_its_reason),
        cmocka_unit_test(one_event_of_many_is_named_by_its_place),
        cmocka_unit_test(a_name_twice_is_found_among_many),
        cmocka_unit_test(a_type_beyond_ascii_needs_a_utf8_connection),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(absent_parts_are_told_from_empty_ones),
        cmocka_unit_test(headers_become_an_object_of_the_measured_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
