/* Topics that are bound to a schema: JSON leaves as Avro, by the newest schema that it fits; what fits none is parked and holds up no other. */
#include "avro_subject.h"
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define R(fields) "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[" fields "]}"
#define ID "{\"name\":\"id\",\"type\":\"long\"}"
#define NOTE ",{\"name\":\"note\",\"type\":\"string\"}"
#define NOTE_DEFAULT ",{\"name\":\"note\",\"type\":\"string\",\"default\":\"-\"}"

static topic_records read_all(const outbox *o, size_t n)
{
    topic_records all = topic_read_committed(kafka_fixture_brokers(stage_kafka), o->topic, n, SOON_MS);
    assert_int_equal(all.n_rows, n);
    return all;
}

/* The value behind its frame is this JSON, written with this schema. */
static void expect_json(const topic_record *r, pbus_framing framing, int id, const char *text,
                        const char *json)
{
    pbus_frame frame;
    pbus_error err;
    pbus_decoder *decoder;
    pbus_buffer shown = PBUS_BUFFER_INIT;
    pbus_schema *schema = avro_schema(text);
    if (pbus_frame_read(r->value, r->value_size, framing, &frame, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    if (framing == PBUS_FRAMING_CONFLUENT)
        assert_int_equal(frame.schema_id, id);
    if (framing == PBUS_FRAMING_SINGLE_OBJECT)
        assert_true(frame.fingerprint == pbus_schema_fingerprint(schema));
    assert_int_equal(pbus_decoder_new(schema, schema, NULL, &decoder, &err), PBUS_OK);
    if (pbus_decoder_json(decoder, r->value + frame.size_bytes, r->value_size - frame.size_bytes,
                          PBUS_JSON_PLAIN, &shown, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(shown.size, strlen(json));
    assert_memory_equal(shown.data, json, shown.size);
    pbus_buffer_done(&shown);
    pbus_decoder_free(decoder);
    pbus_schema_free(schema);
}

static void bind_topic(const outbox *o, const char *topic, const char *framing)
{
    pg_run(o->conn, "SELECT postbus.bind('%s', 'orders-value', '%s')", topic, framing);
}

/* Rows of a role whose triggers do not fire, as one that a former version of the database let through. */
static void publish_unchecked(const outbox *o, const char *key, const char *json)
{
    pg_run(o->conn,
           "SET session_replication_role = replica; SELECT postbus.publish('%s', '%s'::text, '%s');"
           "RESET session_replication_role",
           o->topic, json, key);
}

static void json_leaves_as_avro_in_the_framing_of_its_topic_and_nothing_else_is_touched(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        pbus_framing framing;
        const char *framed; /* of another publisher's, as a format for the id and the fingerprint */
        const char *headers;
    } cases[] = {
        {"confluent", PBUS_FRAMING_CONFLUENT, "\\x00%1$08x0e", "{}"},
        {"single-object", PBUS_FRAMING_SINGLE_OBJECT, "\\xc301%2$s0e", "{}"},
        {"none", PBUS_FRAMING_NONE, "\\x0e", "{\"content-type\": \"avro/binary\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outbox *o = outbox_new();
        char framed[64];
        int id = avro_add(o->conn, "orders-value", R(ID));
        char *print = pg_text(
            o->conn, "SELECT string_agg(lpad(to_hex((fingerprint >> (8 * i)) & 255), 2, '0'), '' ORDER BY i)"
                     " FROM postbus.schema, generate_series(0, 7) i");
        bind_topic(o, o->topic, cases[i].name);
        proc_fixture *relay = relay_start_leading(o, NULL);
        snprintf(framed, sizeof framed, cases[i].framed, id, print);
        pg_run(o->conn, "SELECT postbus.publish('%s', ' {\"id\": 5.0}'::text, 'k')", o->topic);
        pg_run(o->conn, "SELECT postbus.publish('%s', '%s'::bytea, 'k', headers => '%s')", o->topic, framed,
               cases[i].headers);
        pg_run(o->conn, "SELECT postbus.publish('%s', NULL::text, 'k')", o->topic);
        expect_drained(o);
        topic_records all = read_all(o, 3);
        expect_json(&all.rows[0], cases[i].framing, id, R(ID), "{\"id\":5}");
        expect_json(&all.rows[1], cases[i].framing, id, R(ID), "{\"id\":7}");
        assert_null(all.rows[2].value);
        topic_records_done(&all);
        free(print);
        relay_stop(relay);
        outbox_free(o);
    }
}

static void a_running_relay_follows_each_change_from_the_next_event_on(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":1}'::text, 'k')", o->topic);
    expect_drained(o);
    int first = avro_add(o->conn, "orders-value", R(ID));
    bind_topic(o, o->topic, "confluent");
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":2}'::text, 'k')", o->topic);
    expect_drained(o);
    int second = avro_add(o->conn, "orders-value", R(ID NOTE_DEFAULT));
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":3}'::text, 'k')", o->topic);
    expect_drained(o);
    pg_run(o->conn, "SELECT postbus.unbind('%s'); SELECT postbus.publish('%s', '{\"id\":4}'::text, 'k')",
           o->topic, o->topic);
    expect_drained(o);
    topic_records all = read_all(o, 4);
    assert_string_equal(all.rows[0].value, "{\"id\":1}");
    expect_json(&all.rows[1], PBUS_FRAMING_CONFLUENT, first, R(ID), "{\"id\":2}");
    expect_json(&all.rows[2], PBUS_FRAMING_CONFLUENT, second, R(ID NOTE_DEFAULT),
                "{\"id\":3,\"note\":\"-\"}");
    assert_string_equal(all.rows[3].value, "{\"id\":4}");
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

static void an_event_that_only_the_version_it_was_published_under_takes_is_written_with_that(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    int first = avro_add(o->conn, "orders-value", R(ID));
    bind_topic(o, o->topic, "confluent");
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":1}'::text, 'k')", o->topic);
    int second = avro_add(o->conn, "orders-value", R(ID NOTE));
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":2,\"note\":\"n\"}'::text, 'k')", o->topic);
    proc_fixture *relay = relay_start_leading(o, NULL);
    expect_drained(o);
    topic_records all = read_all(o, 2);
    expect_json(&all.rows[0], PBUS_FRAMING_CONFLUENT, first, R(ID), "{\"id\":1}");
    expect_json(&all.rows[1], PBUS_FRAMING_CONFLUENT, second, R(ID NOTE), "{\"id\":2,\"note\":\"n\"}");
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

static void park_and_redrive(const char *const *flags)
{
    outbox *o = outbox_new();
    int first = avro_add(o->conn, "orders-value", R(ID));
    bind_topic(o, o->topic, "confluent");
    proc_fixture *relay = relay_start_leading(o, flags);
    publish_unchecked(o, "k", "{\"id\":1}");
    publish_unchecked(o, "k", "{\"id\":2,\"note\":\"n\"}");
    publish_unchecked(o, "k", "{\"id\":3}");
    publish_unchecked(o, "other", "{\"id\":4}");
    expect_nothing_pending(o);
    pg_expect(o->conn, "schema_misfit/operator, behind_key/key",
              "SELECT string_agg(concat_ws('/', reason, waits_for), ', ' ORDER BY n) FROM postbus.parked");
    int second = avro_add(o->conn, "orders-value", R(ID NOTE_DEFAULT));
    redrive_all(o);
    expect_drained(o);
    topic_records all = read_all(o, 4);
    expect_json(&all.rows[0], PBUS_FRAMING_CONFLUENT, first, R(ID), "{\"id\":1}");
    expect_json(&all.rows[1], PBUS_FRAMING_CONFLUENT, first, R(ID), "{\"id\":4}");
    expect_json(&all.rows[2], PBUS_FRAMING_CONFLUENT, second, R(ID NOTE_DEFAULT),
                "{\"id\":2,\"note\":\"n\"}");
    expect_json(&all.rows[3], PBUS_FRAMING_CONFLUENT, second, R(ID NOTE_DEFAULT),
                "{\"id\":3,\"note\":\"-\"}");
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

/* Accepted while its topic had one framing, it leaves when the topic has another: in that, if the frame says what it is. */
static void what_was_framed_before_its_topic_had_another_framing_leaves_in_that(void **state)
{
    (void)state;
    static const struct {
        const char *before, *now;
        pbus_framing framing;
        const char *framed; /* as a format for the id and the fingerprint */
    } cases[] = {
        {"confluent", "single-object", PBUS_FRAMING_SINGLE_OBJECT, "\\x00%1$08x0e"},
        {"confluent", "none", PBUS_FRAMING_NONE, "\\x00%1$08x0e"},
        {"single-object", "confluent", PBUS_FRAMING_CONFLUENT, "\\xc301%2$s0e"},
        {"single-object", "none", PBUS_FRAMING_NONE, "\\xc301%2$s0e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outbox *o = outbox_new();
        char framed[64];
        avro_add(o->conn, "orders-value", R(ID));
        int id = avro_add(o->conn, "orders-value", R(ID NOTE_DEFAULT));
        char *print =
            pg_text(o->conn,
                    "SELECT string_agg(lpad(to_hex((fingerprint >> (8 * i)) & 255), 2, '0'), '' ORDER BY i)"
                    " FROM postbus.schema, generate_series(0, 7) i WHERE id = %d",
                    id);
        bind_topic(o, o->topic, cases[i].before);
        snprintf(framed, sizeof framed, cases[i].framed, id, print);
        pg_run(o->conn, "SELECT postbus.publish('%s', '%s022d'::bytea, 'k')", o->topic, framed);
        bind_topic(o, o->topic, cases[i].now);
        proc_fixture *relay = relay_start_leading(o, NULL);
        pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":8}'::text, 'k')", o->topic);
        expect_drained(o);
        topic_records all = read_all(o, 2);
        expect_json(&all.rows[0], cases[i].framing, id, R(ID NOTE_DEFAULT), "{\"id\":7,\"note\":\"-\"}");
        topic_records_done(&all);
        free(print);
        relay_stop(relay);
        outbox_free(o);
    }
}

/* Without a frame nothing tells the schema: the bytes, and the header that says that they are Avro, leave as they are. */
static void what_has_no_frame_or_names_no_version_leaves_as_it_was_accepted(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    int id = avro_add(o->conn, "orders-value", R(ID));
    bind_topic(o, o->topic, "none");
    pg_run(
        o->conn,
        "SELECT postbus.publish('%s', value, 'k', headers => '{\"content-type\": \"avro/binary\"}') "
        "FROM unnest('{\\\\x0e,\\\\x00%08x0e}'::bytea[]) AS value", /* the second begins as a frame would */
        o->topic, id);
    int other = avro_add(o->conn, "others-value", R(ID NOTE));
    pg_run(o->conn,
           "SELECT postbus.bind('%s', 'others-value', 'confluent'); "
           "SELECT postbus.publish('%s', '\\x00%08x0e022d'::bytea, 'k')",
           o->topic, o->topic, other);
    bind_topic(o, o->topic, "single-object");
    proc_fixture *relay = relay_start_leading(o, NULL);
    expect_drained(o);
    topic_records all = read_all(o, 3);
    assert_int_equal(all.rows[0].value_size, 1);
    assert_int_equal(all.rows[1].value_size, 6);
    assert_int_equal(all.rows[2].value_size, 8);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

static void what_fits_no_schema_is_parked_with_its_key_behind_it_until_one_takes_it(void **state)
{
    (void)state;
    static const char *const exactly_once[] = {"--delivery=exactly_once", NULL};
    park_and_redrive(NULL);
    park_and_redrive(exactly_once);
}

static void a_killed_relay_leaves_its_successor_what_it_had_encoded(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    int id = avro_add(o->conn, "orders-value", R(ID));
    bind_topic(o, o->topic, "confluent");
    proc_fixture *relay = relay_start_crashing(o, "after_produce", NULL);
    pg_run(o->conn,
           "SELECT postbus.publish('%s', format('{\"id\":%%s}', i), 'k') FROM generate_series(0, 99) i",
           o->topic);
    proc_fixture_wait_exit(relay, SOON_MS);
    proc_fixture_free(relay);
    relay = relay_start_leading(o, NULL);
    expect_drained(o);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 100, SOON_MS);
    assert_true(all.n_rows >= 100);
    for (int i = 0; i < 100; i++) {
        char json[32];
        snprintf(json, sizeof json, "{\"id\":%d}", i);
        expect_json(&all.rows[all.n_rows - 100 + (size_t)i], PBUS_FRAMING_CONFLUENT, id, R(ID), json);
    }
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_leaves_as_avro_in_the_framing_of_its_topic_and_nothing_else_is_touched),
        cmocka_unit_test(a_running_relay_follows_each_change_from_the_next_event_on),
        cmocka_unit_test(an_event_that_only_the_version_it_was_published_under_takes_is_written_with_that),
        cmocka_unit_test(what_was_framed_before_its_topic_had_another_framing_leaves_in_that),
        cmocka_unit_test(what_has_no_frame_or_names_no_version_leaves_as_it_was_accepted),
        cmocka_unit_test(what_fits_no_schema_is_parked_with_its_key_behind_it_until_one_takes_it),
        cmocka_unit_test(a_killed_relay_leaves_its_successor_what_it_had_encoded),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
