/* Databases of other encodings than UTF-8: their text is published, and an event of old that has no UTF-8 form is told, and leaves once it is mended. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <stdlib.h>
#include <string.h>

static void expect_refusal(proc_fixture *relay, const char *sentence)
{
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 1);
    char *log = proc_fixture_log(relay);
    if (!strstr(log, sentence) || !strstr(log, "relay.refused"))
        fail_msg("the log does not say \"%s\":\n%s", sentence, log);
    free(log);
    proc_fixture_free(relay);
}

/* As before migration 11: type and a header each have byte 0x81, which is no UTF-8 by itself, and no character of WIN1252. */
static void publish_as_before(const outbox *o)
{
    pg_run(o->conn,
           "ALTER DOMAIN postbus.event_type DROP CONSTRAINT event_type_utf8;"
           "ALTER DOMAIN postbus.event_headers DROP CONSTRAINT event_headers_utf8;"
           "SELECT postbus.publish('%s', 'v', 'k0', E'comm\\x81nd');"
           "SELECT postbus.publish('%s', 'v', 'k1', NULL, ('{\"a\":\"' || E'comm\\x81nd' || '\"}')::jsonb);"
           "ALTER DOMAIN postbus.event_type ADD CONSTRAINT event_type_utf8 CHECK (postbus.check_type(VALUE)) "
           "NOT VALID;"
           "ALTER DOMAIN postbus.event_headers ADD CONSTRAINT event_headers_utf8 CHECK "
           "(postbus.check_headers(VALUE)) NOT VALID",
           o->topic, o->topic);
}

#define WITHOUT_UTF8(column)                                                                                 \
    " FROM postbus.current_progress p WHERE o.id > p.floor_id AND NOT postbus.has_utf8(o." column ")"
#define FROM_LATIN1(text)                                                                                    \
    "convert_from(convert(convert_to(" text ", 'SQL_ASCII'), 'LATIN1', 'UTF8'), 'SQL_ASCII')"
#define OF_WIN1252(text) "translate(" text ", E'\\x81\\x8d\\x8f\\x90\\x9d', '-----')"

typedef struct encoding_case {
    const char *encoding;
    const char *mends_type, *mends_headers; /* as docs/runbook.md does */
    const char *type, *headers;             /* what becomes of them */
} encoding_case;

static const encoding_case encodings[] = {
    {"SQL_ASCII", "UPDATE postbus.outbox o SET type = " FROM_LATIN1("o.type") WITHOUT_UTF8("type"),
     "UPDATE postbus.outbox o SET headers = " FROM_LATIN1("o.headers::text") "::jsonb" WITHOUT_UTF8(
         "headers::text"),
     "comm\xc2\x81nd", "{\"a\": \"comm\xc2\x81nd\"}"},
    {"WIN1252", "UPDATE postbus.outbox o SET type = " OF_WIN1252("o.type") WITHOUT_UTF8("type"),
     "UPDATE postbus.outbox o SET headers = " OF_WIN1252("o.headers::text") "::jsonb" WITHOUT_UTF8(
         "headers::text"),
     "comm-nd", "{\"a\": \"comm-nd\"}"},
};

static void an_event_without_a_utf8_form_is_told_and_leaves_once_it_is_mended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        const encoding_case *e = &encodings[i];
        outbox *o = outbox_new_in(e->encoding);
        publish(o->conn, o->topic, NULL, 5);
        publish_as_before(o);
        publish(o->conn, o->topic, NULL, 5);
        expect_refusal(relay_start(o, NULL), "have no UTF-8 form");
        pg_run(o->conn, "%s", e->mends_type);
        expect_refusal(relay_start(o, NULL), "have no UTF-8 form");
        pg_run(o->conn, "%s", e->mends_headers);
        pg_expect(o->conn, e->type, "SELECT type FROM postbus.outbox WHERE type IS NOT NULL");
        pg_expect(o->conn, e->headers, "SELECT headers FROM postbus.outbox WHERE headers IS NOT NULL");
        finish(o, relay_start_leading(o, NULL));
    }
}

static void text_of_another_encoding_arrives_as_utf8(void **state)
{
    (void)state;
    outbox *o = outbox_new_in("LATIN1");
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(
        o->conn,
        "SELECT postbus.publish('%s', E'\\xe9', 'k', E'\\xe9', ('{\"' || E'\\xe8' || '\":\"' || E'\\xe9' || "
        "'\"}')::jsonb)",
        o->topic);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 1, SOON_MS);
    assert_int_equal(all.n_rows, 1);
    assert_string_equal(all.rows[0].value, "\xc3\xa9");
    assert_string_equal(topic_record_header(&all.rows[0], "type"), "\xc3\xa9");
    assert_string_equal(topic_record_header(&all.rows[0], "\xc3\xa8"), "\xc3\xa9");
    topic_records_done(&all);
    finish(o, relay);
}

static void a_relay_id_that_the_database_cannot_hold_is_refused(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    expect_refusal(relay_start(o, (const char *const[]){"--relay-id", "relay-\xff", NULL}),
                   "give a relay_id");
    outbox_free(o);
    o = outbox_new_in("WIN1252");
    expect_refusal(relay_start(o, (const char *const[]){"--relay-id", "\xe4\xb8\xad", NULL}),
                   "give a relay_id");
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_without_a_utf8_form_is_told_and_leaves_once_it_is_mended),
        cmocka_unit_test(text_of_another_encoding_arrives_as_utf8),
        cmocka_unit_test(a_relay_id_that_the_database_cannot_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
