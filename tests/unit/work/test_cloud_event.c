/* What is sent to an HTTP server, to the byte. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud_event.h"

static const pbus_uuid uuid = {
    {0x01, 0x90, 0xf3, 0xe4, 0x7c, 0x1a, 0x8d, 0xef, 0x80, 0, 0, 0, 0, 0, 0, 0x2a}};
static cloud_event c;

static pbus_record_header header(const char *name, const char *value)
{
    return (pbus_record_header){name, value, value ? strlen(value) : 0};
}

static pbus_delivery event(const char *value, const pbus_record_header *headers, size_t n_headers)
{
    return (pbus_delivery){.application = "shop",
                           .subscription = "main",
                           .topic = "orders",
                           .partition = 2,
                           .offset = INT64_C(9007199254740993),
                           .key = "a",
                           .key_size = 1,
                           .value = value,
                           .value_size = value ? strlen(value) : 0,
                           .type = "order.paid",
                           .event_id = &uuid,
                           .headers = headers,
                           .n_headers = n_headers,
                           .timestamp_ms = INT64_C(1767225600007),
                           .attempt = 3};
}

static void make(const pbus_delivery *e, bool structured)
{
    assert_true(cloud_event_make(&c, e, structured, "", INT64_C(1767225660000)));
}

static int teardown(void **state)
{
    (void)state;
    cloud_event_done(&c);
    return 0;
}

/* All headers, a line each, for the caller to free. */
static char *lines(void)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    for (const struct curl_slist *h = c.headers; h; h = h->next)
        fprintf(to, "%s\n", h->data);
    fclose(to);
    return text;
}

static void expect_lines(const char *expected)
{
    char *found = lines();
    assert_string_equal(found, expected);
    free(found);
}

static void expect_line(const char *line)
{
    for (const struct curl_slist *h = c.headers; h; h = h->next)
        if (strcmp(h->data, line) == 0)
            return;
    char *found = lines();
    fail_msg("there is no \"%s\" in\n%s", line, found);
}

static void expect_body(const char *body)
{
    assert_int_equal(c.body_size, strlen(body));
    assert_memory_equal(c.body, body, c.body_size);
}

#define OWN                                                                                                  \
    "ce-postbusapplication: shop\nce-postbussubscription: main\nce-postbustopic: orders\n"                   \
    "ce-postbuspartition: 2\nce-postbusoffset: 9007199254740993\nce-postbusattempt: 3\n"                     \
    "ce-postbusdeadline: 2026-01-01T00:01:00.000Z\n"

static void in_binary_mode_the_value_is_the_body(void **state)
{
    (void)state;
    const pbus_record_header headers[] = {header("id", "of the caller"),
                                          header("cause", "0190f3e4-7c1a-8def-8000-00000000002a"),
                                          header("event", "0190f3e4-7c1a-8def-8000-00000000002a"),
                                          header("type", "order.paid"),
                                          header("tenant", "7"),
                                          header("tenant", "8"),
                                          header("none", NULL)};
    pbus_delivery e = event("{\"total\": 42}", headers, 7);
    e.type = headers[3].value;
    make(&e, false);
    expect_body("{\"total\": 42}");
    assert_ptr_equal(c.body, e.value);
    expect_lines("ce-specversion: 1.0\nce-id: 0190f3e4-7c1a-8def-8000-00000000002a\n"
                 "ce-source: /postbus/orders\nce-type: order.paid\nce-time: 2026-01-01T00:00:00.007Z\n"
                 "ce-partitionkey: a\nContent-Type: application/json\n" OWN
                 "postbus-header-id: of%20the%20caller\n"
                 "postbus-header-cause: 0190f3e4-7c1a-8def-8000-00000000002a\n"
                 "postbus-header-tenant: 7\npostbus-header-tenant: 8\npostbus-header-none;\n");
}

static void in_structured_mode_all_is_in_a_document(void **state)
{
    (void)state;
    const pbus_record_header headers[] = {header("tenant", "7")};
    pbus_delivery e = event("{\"total\":\n1.10}", headers, 1);
    make(&e, true);
    expect_lines("Content-Type: application/cloudevents+json; charset=utf-8\npostbus-header-tenant: 7\n");
    expect_body(
        "{\"specversion\":\"1.0\",\"id\":\"0190f3e4-7c1a-8def-8000-00000000002a\","
        "\"source\":\"/postbus/orders\",\"type\":\"order.paid\",\"time\":\"2026-01-01T00:00:00.007Z\","
        "\"partitionkey\":\"a\",\"datacontenttype\":\"application/json\","
        "\"postbusapplication\":\"shop\",\"postbussubscription\":\"main\","
        "\"postbustopic\":\"orders\",\"postbuspartition\":2,"
        "\"postbusoffset\":\"9007199254740993\",\"postbusattempt\":3,"
        "\"postbusdeadline\":\"2026-01-01T00:01:00.000Z\",\"data\":{\"total\": 1.10}}\n");
}

static void nothing_of_an_event_becomes_a_header_of_its_own(void **state)
{
    (void)state;
    const pbus_record_header headers[] = {header("a\r\nX-Evil: 1", "b\r\nX-Evil: \xc3\xa4 %\"\t"),
                                          header("content-type", "text/html\r\nX-Evil: 1"),
                                          header("traceparent", "00-1\r\nX-Evil: 1")};
    pbus_delivery e = event("x", headers, 3);
    e.type = "t\nX-Evil: 1";
    e.key = "k\r\nX-Evil: 1";
    e.key_size = strlen(e.key);
    make(&e, false);
    for (const struct curl_slist *h = c.headers; h; h = h->next)
        assert_null(strpbrk(h->data, "\r\n"));
    expect_line("postbus-header-a%0D%0AX-Evil%3A%201: b%0D%0AX-Evil:%20%C3%A4%20%25%22%09");
    expect_line("ce-type: postbus.event");
    expect_line("ce-postbuskeybase64: aw0KWC1FdmlsOiAx");
    expect_line("Content-Type: text/plain; charset=utf-8");
}

/* Servers take "application/cloudevents…" for the mark of an event whose attributes stand in the body, where the publisher of the value has written them. */
static void no_value_passes_for_a_structured_event(void **state)
{
    (void)state;
    static const char *const types[] = {"application/cloudevents+json", "Application/CloudEvents",
                                        "application/cloudevents-batch+json; charset=utf-8",
                                        " application/cloudevents+json"};
    static const char value[] =
        "{\"specversion\":\"1.0\",\"id\":\"forged\",\"source\":\"/bank\",\"type\":\"paid\"}";
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int structured = 0; structured < 2; structured++) {
            const pbus_record_header headers[] = {header("content-type", types[i])};
            pbus_delivery e = event(value, headers, 1);
            char kept[100] = "postbus-header-content-type: ", *to = kept + strlen(kept);
            for (const char *from = types[i]; *from; from++)
                to = stpcpy(to, *from == ' ' ? "%20" : (char[]){*from, '\0'});
            make(&e, structured);
            expect_line(structured ? "Content-Type: application/cloudevents+json; charset=utf-8"
                                   : "Content-Type: application/json");
            expect_line(kept);
            if (structured)
                assert_non_null(strstr(c.body, "\"datacontenttype\":\"application/json\""));
            cloud_event_done(&c);
        }
}

static void a_record_that_is_a_cloud_event_keeps_its_attributes(void **state)
{
    (void)state;
    const pbus_record_header headers[] = {
        header("ce_specversion", "1.0"),
        header("ce_id", "of/its own"),
        header("ce_source", "https://a.example"),
        header("ce_type", "their.type"),
        header("ce_tenant", "7"),
        header("ce_data", "x"),
        header("ce_datacontenttype", "x/y"),
        header("ce_postbustopic", "forged"),
        header("ce_Upper", "x"),
        header("content-type", "application/vnd.x+json"),
        header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
    pbus_delivery e = event("{}", headers, sizeof headers / sizeof headers[0]);
    make(&e, false);
    static const char *const expected[] = {
        "ce-id: of/its%20own",
        "ce-source: https://a.example",
        "ce-type: their.type",
        "ce-tenant: 7",
        "ce-postbustopic: orders",
        "Content-Type: application/vnd.x+json",
        "ce-traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "postbus-header-ce_data: x",
        "postbus-header-ce_Upper: x"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        expect_line(expected[i]);
    cloud_event_done(&c);
    e.headers++; /* without ce_specversion it is none */
    e.n_headers--;
    make(&e, false);
    expect_line("ce-id: 0190f3e4-7c1a-8def-8000-00000000002a");
    expect_line("postbus-header-ce_id: of/its%20own");
}

/* The last member of a structured event. */
static void a_value_stands_as_its_type_says(void **state)
{
    (void)state;
    static const struct {
        const char *value, *type, *end;
    } cases[] = {
        {"42", NULL, ",\"data\":42}\n"},
        {"42", "text/plain", ",\"data\":\"42\"}\n"},
        {"42", "application/problem+json; charset=utf-8", ",\"data\":42}\n"},
        {"4x", NULL, ",\"data\":\"4x\"}\n"},
        {"4x", "application/json", ",\"data_base64\":\"NHg=\"}\n"},
        {"4x", "nonsense", ",\"data\":\"4x\"}\n"},
        {"", NULL, ",\"data\":\"\"}\n"},
        {"\xff", NULL, ",\"data_base64\":\"/w==\"}\n"},
        {"\xff", "application/json", ",\"data_base64\":\"/w==\"}\n"},
        {NULL, NULL, ",\"postbustombstone\":true}"},
        {NULL, "application/json", ",\"postbustombstone\":true}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const pbus_record_header headers[] = {header("Content-Type", cases[i].type)};
        pbus_delivery e = event(cases[i].value, headers, cases[i].type ? 1 : 0);
        make(&e, true);
        size_t n = strlen(cases[i].end);
        assert_true(c.body_size > n);
        if (memcmp((const char *)c.body + c.body_size - n, cases[i].end, n) != 0)
            fail_msg("%zu: %.*s", i, (int)c.body_size, (const char *)c.body);
        cloud_event_done(&c);
    }
}

static void a_tombstone_has_neither_body_nor_content_type(void **state)
{
    (void)state;
    pbus_delivery e = event(NULL, NULL, 0);
    make(&e, false);
    expect_body("");
    expect_line("Content-Type:");
    expect_line("ce-postbustombstone: true");
}

static void a_record_without_an_id_has_that_of_its_place(void **state)
{
    (void)state;
    pbus_delivery e = event("x", NULL, 0);
    e.event_id = NULL;
    e.type = NULL;
    e.key = NULL;
    e.timestamp_ms = -1;
    assert_true(cloud_event_make(&c, &e, false, "urn:shop", 0));
    expect_lines("ce-specversion: 1.0\nce-id: orders/2/9007199254740993\nce-source: urn:shop\n"
                 "ce-type: postbus.event\nContent-Type: text/plain; charset=utf-8\n"
                 "ce-postbusapplication: shop\nce-postbussubscription: main\nce-postbustopic: orders\n"
                 "ce-postbuspartition: 2\nce-postbusoffset: 9007199254740993\nce-postbusattempt: 3\n");
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

/* The record's header speaks of bytes that are not sent. */
static void avro_that_was_read_is_json_whatever_the_header_says(void **state)
{
    (void)state;
    const pbus_record_header headers[] = {header("content-type", "application/vnd.apache.avro+json; x")};
    pbus_delivery e = event("\2\6Ada", headers, 1);
    e.value_json = "{\"name\":\"Ada\"}";
    e.value_json_size = strlen(e.value_json);
    make(&e, false);
    char *all = lines();
    assert_non_null(strstr(all, "Content-Type: application/json\n"));
    assert_null(strstr(all, "avro"));
    free(all);
    assert_int_equal(c.body_size, e.value_json_size);
    assert_memory_equal(c.body, e.value_json, c.body_size);
    cloud_event_done(&c);
    make(&e, true);
    assert_non_null(strstr(c.document, "\"data\":{\"name\":\"Ada\"}"));
    assert_non_null(strstr(c.document, "\"datacontenttype\":\"application/json\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(avro_that_was_read_is_json_whatever_the_header_says),
        TEST(in_binary_mode_the_value_is_the_body),
        TEST(in_structured_mode_all_is_in_a_document),
        TEST(nothing_of_an_event_becomes_a_header_of_its_own),
        TEST(no_value_passes_for_a_structured_event),
        TEST(a_record_that_is_a_cloud_event_keeps_its_attributes),
        TEST(a_value_stands_as_its_type_says),
        TEST(a_tombstone_has_neither_body_nor_content_type),
        TEST(a_record_without_an_id_has_that_of_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
