/* What a line of the log looks like, whatever is in its values. */
#include "cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static char line[4096];

/* Standard error goes into a pipe while body runs. */
#define CAPTURED(body)                                                                                       \
    do {                                                                                                     \
        int fds[2], saved = dup(2);                                                                          \
        assert_int_equal(pipe(fds), 0);                                                                      \
        dup2(fds[1], 2);                                                                                     \
        body;                                                                                                \
        dup2(saved, 2);                                                                                      \
        close(saved);                                                                                        \
        close(fds[1]);                                                                                       \
        ssize_t size = read(fds[0], line, sizeof line - 1);                                                  \
        close(fds[0]);                                                                                       \
        line[size > 0 ? size : 0] = '\0';                                                                    \
    } while (0)

/* The line without level and time, which are checked once. */
static const char *rest(void)
{
    const char *at = strchr(line, ' ');
    at = at ? strchr(at + 1, ' ') : NULL;
    return at ? at + 1 : "";
}

static void a_line_has_level_time_event_and_pairs(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    CAPTURED(log_event(LOG_LEVEL_WARN, "topic.missing", "topic=%s retry_ms=%d", "orders", 1000));
    int year, month, day, hour, minute, second, ms, length = 0;
    assert_int_equal(sscanf(line, "warn %4d-%2d-%2dT%2d:%2d:%2d.%3dZ topic.missing %n", &year, &month, &day,
                            &hour, &minute, &second, &ms, &length),
                     7);
    assert_string_equal(line + length, "topic=orders retry_ms=1000\n");
}

static void values_that_could_be_mistaken_are_quoted(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    static const char *const cases[][2] = {
        {"a b", "\"a b\""},
        {"", "\"\""},
        {"a=b", "\"a=b\""},
        {"a\"b", "\"a\\\"b\""},
        {"a\\b", "\"a\\\\b\""},
        {"a\nerror x", "\"a\\nerror x\""},
        {"a\tb", "\"a\\tb\""},
        {"\x1b[2J", "\"\\x1b[2J\""},
        {"\x7f", "\"\\x7f\""},
        {"ü", "ü"},
        {"plain-1.2:3", "plain-1.2:3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[200];
        snprintf(expected, sizeof expected, "e k=%s n=1\n", cases[i][1]);
        CAPTURED(log_event(LOG_LEVEL_INFO, "e", "k=%s n=%d", cases[i][0], 1));
        assert_string_equal(rest(), expected);
    }
}

static void a_value_cannot_forge_a_pair(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    CAPTURED(log_event(LOG_LEVEL_INFO, "e", "topic=%s n=%d", "x leader=me", 1));
    assert_string_equal(rest(), "e topic=\"x leader=me\" n=1\n");
}

static void spaces_of_the_format_belong_to_the_value(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    CAPTURED(log_event(LOG_LEVEL_INFO, "e", "reason=%s (%d of %d) ms=%lld", "slow", 1, 2, 3LL));
    assert_string_equal(rest(), "e reason=\"slow (1 of 2)\" ms=3\n");
}

static void an_event_without_pairs_is_a_line_too(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    CAPTURED(log_event(LOG_LEVEL_INFO, "relay.stopped", "%s", ""));
    assert_string_equal(rest(), "relay.stopped\n");
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, false);
    CAPTURED(log_event(LOG_LEVEL_WARN, "e", "k=%d", 1));
    assert_string_equal(line, "");
    CAPTURED(log_event(LOG_LEVEL_ERROR, "e", "k=%d", 1));
    assert_non_null(strstr(line, "k=1"));
}

static void json_has_one_object_a_line_with_text_members(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, true);
    CAPTURED(log_event(LOG_LEVEL_DEBUG, "topic.missing", "topic=%s retry_ms=%d", "a \"b\"\n", 1000));
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_string_equal(json_string_value(json_object_get(object, "level")), "debug");
    assert_string_equal(json_string_value(json_object_get(object, "event")), "topic.missing");
    assert_string_equal(json_string_value(json_object_get(object, "topic")), "a \"b\"\n");
    assert_string_equal(json_string_value(json_object_get(object, "retry_ms")), "1000");
    json_decref(object);
}

static void json_stays_json_where_a_value_is_no_text(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, true);
    CAPTURED(log_event(LOG_LEVEL_INFO, "e", "key=%s", "a\xff\xfe"));
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "key")), "a??");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_time_event_and_pairs),
        cmocka_unit_test(values_that_could_be_mistaken_are_quoted),
        cmocka_unit_test(a_value_cannot_forge_a_pair),
        cmocka_unit_test(spaces_of_the_format_belong_to_the_value),
        cmocka_unit_test(an_event_without_pairs_is_a_line_too),
        cmocka_unit_test(lower_levels_are_left_out),
        cmocka_unit_test(json_has_one_object_a_line_with_text_members),
        cmocka_unit_test(json_stays_json_where_a_value_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
