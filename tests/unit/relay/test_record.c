/* A record's headers: the caller's, then what was asked for, and nothing else; what is no object of strings is refused. */
#include "cmocka_all.h"
#include "made_page.h"
#include "record.h"

#include <stdio.h>
#include <string.h>

#define OUTBOX_ID "aabbccdd-eeff-4123-9456-789abcdef012"

static record_maker maker(const char *id_header, const char *type_header)
{
    record_maker m;
    config cfg = {.id_header = (char *)(uintptr_t)id_header, .type_header = (char *)(uintptr_t)type_header};
    record_maker_init(&m, &cfg);
    assert_true(record_maker_add_identity(&m, 0, OUTBOX_ID));
    return m;
}

static page_event event_with(const char *json, char *room, const char *type)
{
    page_event e = {.id = 5, .topic = "t", .topic_size = 1};
    if (json) {
        room[0] = 1;
        strcpy(room + 1, json);
        e.headers = (page_bytes){room, strlen(json) + 1};
    }
    if (type)
        e.type = (page_bytes){type, strlen(type)};
    return e;
}

static void expect_header(const rd_kafka_headers_t *headers, size_t i, const char *name, const char *value)
{
    const char *its_name;
    const void *its_value;
    size_t size;
    assert_int_equal(rd_kafka_header_get_all(headers, i, &its_name, &its_value, &size),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_string_equal(its_name, name);
    assert_int_equal(size, strlen(value));
    assert_memory_equal(its_value, value, size);
}

/* What postbus.event_id(id) gives for an outbox of this id: tests/integration compares the two on a server. */
static void the_derived_id_is_a_uuid_of_version_8(void **state)
{
    (void)state;
    static const struct {
        int64_t id;
        const char *uuid;
    } cases[] = {
        {1, "aabbccdd-eeff-8123-8000-000000000001"},
        {0x7fffffff, "aabbccdd-eeff-8123-8000-00007fffffff"},
        {INT64_C(0x123456789abcdef), "aabbccdd-eeff-8123-8123-456789abcdef"},
        {INT64_C(0x3fffffffffffffff), "aabbccdd-eeff-8123-bfff-ffffffffffff"},
    };
    record_maker m = maker("id", "type");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[37];
        record_derived_id(&m, cases[i].id, out);
        assert_string_equal(out, cases[i].uuid);
    }
}

/* The newest identity comes first; each holds for the ids above its own. */
static void the_derived_id_is_of_the_identity_in_which_the_row_was_numbered(void **state)
{
    (void)state;
    static const struct {
        int64_t id;
        const char *uuid;
    } cases[] = {
        {1, "aabbccdd-eeff-8123-8000-000000000001"},
        {100, "aabbccdd-eeff-8123-8000-000000000064"},
        {101, "22222222-2222-8222-8000-000000000065"},
        {200, "22222222-2222-8222-8000-0000000000c8"},
        {201, "11111111-1111-8111-8000-0000000000c9"},
        {INT64_C(1) << 40, "11111111-1111-8111-8000-010000000000"},
    };
    record_maker m;
    config cfg = {0};
    record_maker_init(&m, &cfg);
    assert_true(record_maker_add_identity(&m, 200, "11111111-1111-4111-9111-111111111111"));
    assert_true(record_maker_add_identity(&m, 100, "22222222-2222-4222-9222-222222222222"));
    assert_true(record_maker_add_identity(&m, 0, OUTBOX_ID));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[37];
        record_derived_id(&m, cases[i].id, out);
        assert_string_equal(out, cases[i].uuid);
    }
    record_maker_done(&m);
    assert_int_equal(m.n_identities, 0);
}

static void an_identity_that_is_no_uuid_is_refused(void **state)
{
    (void)state;
    record_maker m;
    config cfg = {0};
    record_maker_init(&m, &cfg);
    assert_false(record_maker_add_identity(&m, 0, ""));
    assert_false(record_maker_add_identity(&m, 0, "aabbccdd"));
    assert_false(record_maker_add_identity(&m, 0, OUTBOX_ID "0"));
}

static void the_callers_headers_come_first_then_id_then_type(void **state)
{
    (void)state;
    bool ok;
    char room[200];
    record_maker m = maker("id", "type");
    page_event e = event_with("{\"a\": \"1\", \"b\": \"zwei\"}", room, "made");
    rd_kafka_headers_t *headers = record_headers(&m, &e, &ok);
    assert_true(ok);
    assert_int_equal(rd_kafka_header_cnt(headers), 4);
    expect_header(headers, 0, "a", "1");
    expect_header(headers, 1, "b", "zwei");
    expect_header(headers, 2, "id", "aabbccdd-eeff-8123-8000-000000000005");
    expect_header(headers, 3, "type", "made");
    rd_kafka_headers_destroy(headers);
}

static void an_events_own_id_is_kept(void **state)
{
    (void)state;
    bool ok;
    char room[8];
    record_maker m = maker("ce_id", "type");
    page_event e = event_with(NULL, room, NULL);
    e.event_id = (page_bytes){"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10", 16};
    rd_kafka_headers_t *headers = record_headers(&m, &e, &ok);
    assert_int_equal(rd_kafka_header_cnt(headers), 1);
    expect_header(headers, 0, "ce_id", "01234567-89ab-cdef-fedc-ba9876543210");
    rd_kafka_headers_destroy(headers);
}

/* By the last of a name consumers tell a repeated event, and the caller's may be the same for many. */
static void ours_stand_behind_the_callers_of_the_same_name(void **state)
{
    (void)state;
    bool ok;
    char room[100];
    record_maker m = maker("id", "type");
    page_event e = event_with("{\"id\": \"mine\", \"type\": \"too\"}", room, "made");
    rd_kafka_headers_t *headers = record_headers(&m, &e, &ok);
    assert_int_equal(rd_kafka_header_cnt(headers), 4);
    expect_header(headers, 0, "id", "mine");
    expect_header(headers, 1, "type", "too");
    expect_header(headers, 2, "id", "aabbccdd-eeff-8123-8000-000000000005");
    expect_header(headers, 3, "type", "made");
    rd_kafka_headers_destroy(headers);
}

static void the_time_is_told_where_it_is_asked_for(void **state)
{
    (void)state;
    bool ok;
    char room[100];
    record_maker m;
    config cfg = {.relayed_at_header = (char[]){"relayed-at"}};
    record_maker_init(&m, &cfg);
    page_event e = event_with(NULL, room, "made");
    for (int64_t ms = INT64_C(1763942400999); ms < INT64_C(1763942401001); ms++) {
        record_maker_set_time(&m, ms);
        rd_kafka_headers_t *headers = record_headers(&m, &e, &ok);
        assert_int_equal(rd_kafka_header_cnt(headers), 1);
        expect_header(headers, 0, "relayed-at", ms % 2 ? "1763942400999" : "1763942401000");
        rd_kafka_headers_destroy(headers);
    }
    e = event_with("{\"relayed-at\": \"noon\"}", room, NULL);
    rd_kafka_headers_t *headers = record_headers(&m, &e, &ok);
    assert_int_equal(rd_kafka_header_cnt(headers), 2);
    expect_header(headers, 0, "relayed-at", "noon");
    expect_header(headers, 1, "relayed-at", "1763942401000");
    rd_kafka_headers_destroy(headers);
}

static void nobody_asked_for_headers_so_there_are_none(void **state)
{
    (void)state;
    bool ok;
    char room[8];
    record_maker m = maker("", NULL);
    page_event e = event_with(NULL, room, "made");
    assert_null(record_headers(&m, &e, &ok));
    assert_true(ok);
}

typedef struct json_case {
    const char *name, *json;
} json_case;

static const json_case bad[] = {
    {"headers that are an array", "[]"},
    {"headers that are a string", "\"a\""},
    {"headers that are a number", "1"},
    {"headers that are null", "null"},
    {"headers that are nothing", ""},
    {"headers cut short", "{\"a\": \"1\""},
    {"a header that is a number", "{\"a\": 1}"},
    {"a header that is null", "{\"a\": null}"},
    {"a header that is an object", "{\"a\": {}}"},
    {"a header that is an array after a good one", "{\"a\": \"1\", \"b\": []}"},
    {"headers with something behind them", "{} x"},
    {"headers that are no UTF-8", "{\"a\": \"\xff\"}"},
};

static void are_refused(void **state)
{
    const json_case *c = *state;
    bool ok = true;
    char room[100];
    record_maker m = maker("id", "type");
    page_event e = event_with(c->json, room, NULL);
    assert_null(record_headers(&m, &e, &ok));
    assert_false(ok);
}

static void headers_of_another_version_of_jsonb_are_refused(void **state)
{
    (void)state;
    bool ok = true;
    char room[100];
    record_maker m = maker("id", "type");
    page_event e = event_with("{}", room, NULL);
    room[0] = 2;
    assert_null(record_headers(&m, &e, &ok));
    assert_false(ok);
    e.headers.size = 0;
    assert_null(record_headers(&m, &e, &ok));
    assert_false(ok);
}

int main(void)
{
    enum { N_BAD = sizeof bad / sizeof bad[0], N_OTHERS = 9 };
    struct CMUnitTest tests[N_OTHERS + N_BAD] = {
        cmocka_unit_test(the_derived_id_is_a_uuid_of_version_8),
        cmocka_unit_test(the_derived_id_is_of_the_identity_in_which_the_row_was_numbered),
        cmocka_unit_test(an_identity_that_is_no_uuid_is_refused),
        cmocka_unit_test(the_callers_headers_come_first_then_id_then_type),
        cmocka_unit_test(an_events_own_id_is_kept),
        cmocka_unit_test(ours_stand_behind_the_callers_of_the_same_name),
        cmocka_unit_test(the_time_is_told_where_it_is_asked_for),
        cmocka_unit_test(nobody_asked_for_headers_so_there_are_none),
        cmocka_unit_test(headers_of_another_version_of_jsonb_are_refused),
    };
    for (size_t i = 0; i < N_BAD; i++)
        tests[N_OTHERS + i] = (struct CMUnitTest){
            .name = bad[i].name, .test_func = are_refused, .initial_state = (void *)(uintptr_t)&bad[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
