/* The command that publishes: what it hands to libpq, and what it refuses to build. */
#include "cmocka_all.h"

#include <string.h>

#include "command.h"

enum { TOPIC, VALUE, KEY, TYPE, HEADERS, EVENT_ID };

static void one_event_is_handed_over_without_a_copy(void **state)
{
    (void)state;
    command cmd = {0};
    pbus_header header = {"n", "v"};
    pbus_event event = {.topic = "t",
                        .key = "kk",
                        .key_size = 2,
                        .value = "vvv",
                        .value_size = 3,
                        .headers = &header,
                        .n_headers = 1};
    assert_int_equal(command_build(&cmd, &event, 1, true, false, NULL), PBUS_OK);
    assert_ptr_equal(cmd.values[TOPIC], event.topic);
    assert_ptr_equal(cmd.values[KEY], event.key);
    assert_ptr_equal(cmd.values[VALUE], event.value);
    assert_int_equal(cmd.sizes[VALUE], 3);
    assert_null(cmd.values[TYPE]);
    assert_null(cmd.values[EVENT_ID]);
    assert_int_equal(cmd.sizes[HEADERS], 10);
    assert_memory_equal(cmd.values[HEADERS], "\x01{\"n\":\"v\"}", 10);
    command_done(&cmd);
}

static void the_event_id_is_derived_only_for_who_does_not_know_it(void **state)
{
    (void)state;
    const pbus_uuid id = {{1}};
    const struct {
        const pbus_uuid *id;
        bool tell, derived;
    } cases[] = {{NULL, true, true}, {NULL, false, false}, {&id, true, false}, {&id, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        command cmd = {0};
        pbus_event event = {.topic = "t", .event_id = cases[i].id};
        assert_int_equal(command_build(&cmd, &event, 1, cases[i].tell, false, NULL), PBUS_OK);
        assert_int_equal(strstr(cmd.sql, "postbus.event_id(") != NULL, cases[i].derived);
        command_done(&cmd);
    }
}

static void a_tombstone_is_null_and_an_empty_value_is_not(void **state)
{
    (void)state;
    command cmd = {0};
    assert_int_equal(command_build(&cmd, &(pbus_event){.topic = "t"}, 1, true, false, NULL), PBUS_OK);
    assert_null(cmd.values[VALUE]);
    assert_null(cmd.values[KEY]);
    command_done(&cmd);
    assert_int_equal(command_build(&cmd, &(pbus_event){.topic = "t", .value = ""}, 1, true, false, NULL),
                     PBUS_OK);
    assert_non_null(cmd.values[VALUE]);
    assert_int_equal(cmd.sizes[VALUE], 0);
    command_done(&cmd);
}

static void a_part_that_no_event_of_a_batch_has_is_not_sent(void **state)
{
    (void)state;
    command cmd = {0};
    pbus_event events[2] = {{.topic = "a", .value = "1", .value_size = 1}, {.topic = "b"}};
    static const unsigned char values[] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0,   0,    17,   0,    0,   0,
                                           2, 0, 0, 0, 1, 0, 0, 0, 1, '1', 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(command_build(&cmd, events, 2, true, false, NULL), PBUS_OK);
    assert_int_equal(cmd.sizes[VALUE], sizeof values);
    assert_memory_equal(cmd.values[VALUE], values, sizeof values);
    for (int i = KEY; i <= EVENT_ID; i++)
        assert_null(cmd.values[i]);
    command_done(&cmd);
}

static void headers_of_a_batch_are_jsonb_elements(void **state)
{
    (void)state;
    command cmd = {0};
    pbus_header header = {"n", "v"};
    pbus_event events[2] = {{.topic = "a", .headers = &header, .n_headers = 1}, {.topic = "b"}};
    static const unsigned char tail[] = {0,   0,   0,   10,  1,   '{',  '"',  'n',  '"',
                                         ':', '"', 'v', '"', '}', 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(command_build(&cmd, events, 2, true, false, NULL), PBUS_OK);
    assert_int_equal(cmd.sizes[HEADERS], 20 + sizeof tail);
    assert_memory_equal(cmd.values[HEADERS] + 20, tail, sizeof tail);
    command_done(&cmd);
}

static void more_than_a_gigabyte_is_refused_before_anything_is_copied(void **state)
{
    (void)state;
    enum { N = 1001, SIZE = 1000000 };
    char *value = calloc(1, SIZE);
    pbus_event *events = calloc(N, sizeof *events);
    for (int i = 0; i < N; i++)
        events[i] = (pbus_event){.topic = "t", .value = value, .value_size = SIZE};
    command cmd = {0};
    pbus_error err;
    assert_int_equal(command_build(&cmd, events, N, true, false, &err), PBUS_ERROR_TOO_LARGE);
    assert_non_null(strstr(err.message, "1001 event(s) take 1001026538 bytes"));
    assert_non_null(strstr(err.message, "smaller batches"));
    for (int i = TOPIC; i <= EVENT_ID; i++)
        assert_null(cmd.owned[i].data);
    command_done(&cmd);
    free(events);
    free(value);
}

static void the_limit_is_met_to_the_byte(void **state)
{
    (void)state;
    command cmd = {0};
    const size_t rest = 512 + 25 + 1; /* the frame, the event's framing and its topic */
    pbus_event event = {.topic = "t", .value = "never read", .value_size = PBUS_PUBLISH_MAX_BYTES - rest};
    assert_int_equal(command_build(&cmd, &event, 1, true, false, NULL), PBUS_OK);
    assert_true((size_t)cmd.sizes[VALUE] == event.value_size);
    command_done(&cmd);
    event.value_size++;
    assert_int_equal(command_build(&cmd, &event, 1, true, false, NULL), PBUS_ERROR_TOO_LARGE);
    event.value_size = SIZE_MAX;
    assert_int_equal(command_build(&cmd, &event, 1, true, false, NULL), PBUS_ERROR_TOO_LARGE);
    event.value_size = 0;
    event.key = "never read";
    event.key_size = (size_t)INT32_MAX + 1;
    assert_int_equal(command_build(&cmd, &event, 1, true, false, NULL), PBUS_ERROR_TOO_LARGE);
    command_done(&cmd);
}

static void one_unsound_event_refuses_the_batch(void **state)
{
    (void)state;
    command cmd = {0};
    pbus_event events[3] = {{.topic = "a"}, {.topic = "b"}, {.topic = NULL}};
    pbus_error err;
    assert_int_equal(command_build(&cmd, events, 3, true, false, &err), PBUS_ERROR_TOPIC);
    assert_non_null(strstr(err.message, "event 2 of 3"));
    assert_null(cmd.sql);
    command_done(&cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_is_handed_over_without_a_copy),
        cmocka_unit_test(the_event_id_is_derived_only_for_who_does_not_know_it),
        cmocka_unit_test(a_tombstone_is_null_and_an_empty_value_is_not),
        cmocka_unit_test(a_part_that_no_event_of_a_batch_has_is_not_sent),
        cmocka_unit_test(headers_of_a_batch_are_jsonb_elements),
        cmocka_unit_test(more_than_a_gigabyte_is_refused_before_anything_is_copied),
        cmocka_unit_test(the_limit_is_met_to_the_byte),
        cmocka_unit_test(one_unsound_event_refuses_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
