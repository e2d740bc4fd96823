/* Values in Avro: read by their frames or by one schema for all, filtered by their fields, dead where nobody can read them, and waited for where somebody
 * who may know their schema cannot be asked. */
#include "stage.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avro_subject.h"
#include "registry_fixture.h"

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define ID "{\"name\":\"id\",\"type\":\"long\"}"
#define NUMBER "{\"name\":\"number\",\"type\":\"long\"}"
#define NAME ",{\"name\":\"name\",\"type\":\"string\"}"
#define NOTE ",{\"name\":\"note\",\"type\":\"string\",\"default\":\"-\"}"

static char *schemas; /* where they are, in the stage's database */

static int avro_setup(void **state)
{
    stage_setup(state);
    stage_create_outbox(*state);
    schemas = pg_fixture_conninfo(stage_server, "billing", NULL);
    return 0;
}

static int avro_teardown(void **state)
{
    free(schemas);
    return stage_teardown(state);
}

#define AVRO_TEST(f) cmocka_unit_test_setup_teardown(f, avro_setup, avro_teardown)

/* A value of a schema behind a frame. */
typedef struct framed {
    unsigned char bytes[100];
    size_t size;
} framed;

static framed frame(const pbus_frame *f, const char *text, const char *json)
{
    framed out;
    pbus_error err;
    pbus_buffer bytes = PBUS_BUFFER_INIT;
    pbus_schema *schema = avro_schema(text);
    if (pbus_frame_put(f, &bytes, &err) != PBUS_OK ||
        pbus_schema_encode_json(schema, json, strlen(json), PBUS_JSON_PLAIN, &bytes, &err) != PBUS_OK)
        fail_msg("%s: %s", json, err.message);
    assert_true(bytes.size <= sizeof out.bytes);
    out.size = bytes.size;
    memcpy(out.bytes, bytes.data, bytes.size);
    pbus_schema_free(schema);
    pbus_buffer_done(&bytes);
    return out;
}

static void produce(const stage *s, const char *key, const pbus_frame *f, const char *text, const char *json)
{
    framed value = frame(f, text, json);
    stage_produce_bytes(s->topic, key, value.bytes, value.size, NULL);
}

static pbus_frame confluent(int32_t id)
{
    return (pbus_frame){.framing = PBUS_FRAMING_CONFLUENT, .schema_id = id};
}

static pbus_frame single_object(const char *text)
{
    pbus_schema *schema = avro_schema(text);
    pbus_frame f = {.framing = PBUS_FRAMING_SINGLE_OBJECT, .fingerprint = pbus_schema_fingerprint(schema)};
    pbus_schema_free(schema);
    return f;
}

/* Notes the value as JSON, once it was decoded a second time with the decoder. */
static pbus_outcome insert_json(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_delivery copy = *event;
    pbus_buffer again = PBUS_BUFFER_INIT;
    if (event->value &&
        (!event->value_json || !event->decoder || event->value_json[event->value_json_size] ||
         pbus_decoder_json(event->decoder, event->avro, event->avro_size, PBUS_JSON_PLAIN, &again, NULL) !=
             PBUS_OK ||
         again.size != event->value_json_size || memcmp(again.data, event->value_json, again.size) != 0))
        return pbus_dead("not read");
    pbus_buffer_done(&again);
    copy.value = event->value_json;
    return stage_insert(&copy, tx, arg);
}

/* The values of the effects, by their keys. */
static void expect_effects(stage *s, const char *expected)
{
    char *all = pg_text(s->conn, "SELECT coalesce(string_agg(key || '=' || coalesce(value, 'NULL'), ' ' "
                                 "ORDER BY key, n), '') FROM effect");
    assert_string_equal(all, expected);
    free(all);
}

static void values_are_read_by_the_frames_that_the_database_knows(void **state)
{
    stage *s = *state;
    pbus_avro avro = {.conninfo = schemas, .reader_schema = R(ID NOTE)};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    const pbus_frame by_id = confluent(avro_add(s->conn, "r", R(ID NAME)));
    const pbus_frame by_fingerprint = single_object(R(ID NAME));
    produce(s, "a", &by_id, R(ID NAME), "{\"id\":1,\"name\":\"Ada\"}");
    produce(s, "b", &by_fingerprint, R(ID NAME), "{\"id\":2,\"name\":\"Bea\"}");
    stage_produce(s->topic, "c", NULL, NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect");
    expect_effects(s, "a={\"id\":1,\"note\":\"-\"} b={\"id\":2,\"note\":\"-\"} c=NULL");
    char *told = pg_text(s->conn, "SELECT options->>'avro' FROM postbus_inbox.subscription");
    assert_string_equal(told, "database");
    free(told);
}

static void one_schema_for_all_values_needs_no_frame(void **state)
{
    stage *s = *state;
    pbus_avro avro = {.schema = R(ID), .reader_schema = R(ID NOTE)};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    const pbus_frame none = {.framing = PBUS_FRAMING_NONE}, its = single_object(R(ID)),
                     others = single_object(R(NUMBER)); /* whose bytes would do */
    produce(s, "a", &none, R(ID), "{\"id\":1}");
    produce(s, "b", &its, R(ID), "{\"id\":2}");
    produce(s, "c", &others, R(NUMBER), "{\"number\":3}");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable'");
    expect_effects(s, "a={\"id\":1,\"note\":\"-\"} b={\"id\":2,\"note\":\"-\"}");
}

typedef struct bad {
    const char *key;
    const char *value;
    size_t size;
    const char *says;
} bad;

/* Each of them among good ones, one by one and in batches. */
static void expect_dead(stage *s, int batch_size)
{
    static const bad all[] = {
        {"json", "{\"id\":1}", 8, "%Confluent%"},
        {"empty", "", 0, "%"},
        {"short frame", "\0\0\0\0", 4, "%Confluent%"},
        {"magic", "\1\0\0\0\1\2", 6, "%Confluent%"},
        {"unknown id", "\0\0\0\3\xe7\2", 6, "%id 999 is not known to the database%"},
        {"negative id", "\0\xff\xff\xff\xff\2", 6, "%"},
        {"unknown fingerprint", "\xc3\1aaaaaaaa\2", 11, "%fingerprint 6161616161616161 is not known%"},
        {"nothing behind", "\0\0\0\0\1", 5, "%id%"},
        {"cut off", "\0\0\0\0\1\x80", 6, "%id%"},
        {"left over", "\0\0\0\0\1\2\2", 7, "%"},
        {"incompatible", "\0\0\0\0\2\2a", 7, "%"},
    };
    const size_t n = sizeof all / sizeof all[0];
    pbus_avro avro = {.conninfo = schemas, .reader_schema = R(ID)};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    sub.batch_size = batch_size;
    assert_int_equal(avro_add(s->conn, "r", R(ID)), 1);
    assert_int_equal(avro_add(s->conn, "s", "\"string\""), 2);
    for (size_t i = 0; i < n; i++) {
        stage_produce_bytes(s->topic, all[i].key, all[i].value, all[i].size, NULL);
        stage_produce_bytes(s->topic, all[i].key, "\0\0\0\0\1\2", 6, NULL);
    }
    stage_start(s, &sub, 1);
    stage_expect_soon(s, (int64_t)n,
                      "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable' AND attempts = 0");
    stage_expect_soon(s, (int64_t)n,
                      "SELECT count(*) FROM effect WHERE value = '{\"id\":1}' AND attempt = 1");
    for (size_t i = 0; i < n; i++)
        if (pg_number(s->conn,
                      "SELECT count(*) FROM postbus_inbox.dead WHERE convert_from(key, 'UTF8') = '%s' AND "
                      "last_error LIKE '%s'",
                      all[i].key, all[i].says) != 1)
            fail_msg(
                "%s: %s", all[i].key,
                pg_text(s->conn,
                        "SELECT last_error FROM postbus_inbox.dead WHERE convert_from(key, 'UTF8') = '%s'",
                        all[i].key));
    assert_int_equal(stage_notices(s, PBUS_NOTICE_SCHEMA), 0);
}

/* Promise E7. */
static void what_cannot_be_read_is_a_dead_letter_that_says_why(void **state)
{
    expect_dead(*state, 1);
}

static void in_batches_too(void **state)
{
    expect_dead(*state, 20);
}

/* An id that a topic had of an earlier registry may be here that of anybody's schema, whose bytes would do. */
static void an_id_of_a_topic_with_ids_of_a_registry_is_no_other_subjects(void **state)
{
    stage *s = *state;
    pbus_avro avro = {.conninfo = schemas};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    const int own = avro_add(s->conn, "r", R(ID));
    const pbus_frame registrys = confluent(own + 1000), ours = confluent(own),
                     strangers = confluent(avro_add(s->conn, "s", R(NUMBER)));
    pg_run(s->conn,
           "INSERT INTO postbus.registered (topic, schema_id, registry_id) VALUES ('%s', %d, %d);"
           "SELECT postbus.bind('%s', 'r', 'confluent', 'http://nowhere')",
           s->topic, own, own + 1000, s->topic);
    produce(s, "a", &registrys, R(ID), "{\"id\":1}");
    produce(s, "b", &ours, R(ID), "{\"id\":2}");
    produce(s, "c", &strangers, R(ID), "{\"id\":3}");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable'");
    expect_effects(s, "a={\"id\":1} b={\"id\":2}");
}

static void a_redriven_event_is_read_anew(void **state)
{
    stage *s = *state;
    pbus_avro avro = {.conninfo = schemas};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    const pbus_frame later = confluent(1);
    produce(s, "k", &later, R(ID), "{\"id\":7}");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead");
    pg_run(s->conn, "SELECT postbus_inbox.redrive(reason => 'unreadable', why => 'too early')");
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable' AND attempts = 0");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 0);
    assert_int_equal(avro_add(s->conn, "r", R(ID)), 1);
    pg_run(s->conn, "SELECT postbus_inbox.redrive(reason => 'unreadable', why => 'added')");
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE value = '{\"id\":7}' AND attempt = 1");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
}

/* Promise E3. */
static void fields_of_avro_are_filtered(void **state)
{
    stage *s = *state;
    static const pbus_condition two[] = {{"value:name", PBUS_TEST_MATCHES, "A.*"},
                                         {"value:id", PBUS_TEST_EQUALS, "2"}};
    pbus_avro avro = {.conninfo = schemas};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    sub.filter = two;
    sub.n_conditions = 2;
    const pbus_frame f = confluent(avro_add(s->conn, "r", R(ID NAME)));
    produce(s, "a", &f, R(ID NAME), "{\"id\":1,\"name\":\"Ada\"}"); /* its schema is not known yet */
    produce(s, "a", &f, R(ID NAME), "{\"id\":2,\"name\":\"Ada\"}");
    produce(s, "a", &f, R(ID NAME), "{\"id\":2,\"name\":\"Bea\"}");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    produce(s, "b", &f, R(ID NAME), "{\"id\":3,\"name\":\"Ada\"}"); /* it is */
    produce(s, "b", &f, R(ID NAME), "{\"id\":2,\"name\":\"Aby\"}");
    stage_produce(s->topic, "b", "{\"id\":2,\"name\":\"Ada\"}", NULL, NULL);
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable'");
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    stage_stop(s);
    expect_effects(s, "a={\"id\":2,\"name\":\"Ada\"} b={\"id\":2,\"name\":\"Aby\"}");
}

static int register_in(registry_fixture *r, const char *text)
{
    int32_t id;
    pbus_error err;
    pbus_registry *client;
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(r);
    options.timeout_ms = STAGE_DEADLINE_MS;
    pbus_schema *schema = avro_schema(text);
    assert_int_equal(pbus_registry_new(&options, &client, &err), PBUS_OK);
    if (pbus_registry_register(client, "r", schema, &id, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    pbus_registry_free(client);
    pbus_schema_free(schema);
    return id;
}

/* A subscription whose schemas are in a registry, and may be in the database. */
static pbus_subscription of_registry(stage *s, const registry_fixture *r, pbus_handler *handler)
{
    static pbus_registry_options options;
    static pbus_avro avro;
    options = (pbus_registry_options)PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(r);
    options.timeout_ms = STAGE_DEADLINE_MS; /* one that is killed refuses at once */
    avro = (pbus_avro){.registry = &options};
    pbus_subscription sub = stage_subscription(s, handler);
    sub.avro = &avro;
    return sub;
}

static void a_registry_that_is_away_is_waited_for_and_asked_once(void **state)
{
    stage *s = *state;
    char asked[40];
    pbus_worker_counts counts;
    registry_fixture *r = registry_fixture_new(NULL);
    pbus_subscription sub = of_registry(s, r, insert_json);
    const pbus_frame f = confluent(register_in(r, R(ID)));
    snprintf(asked, sizeof asked, "GET /schemas/ids/%" PRId32, f.schema_id);
    registry_fixture_kill(r);
    produce(s, "a", &f, R(ID), "{\"id\":1}");
    produce(s, "a", &f, R(ID), "{\"id\":2}");
    produce(s, "b", &f, R(ID), "{\"id\":3}");
    sub.retry = (pbus_retry_policy){.kind = PBUS_RETRY_NEVER};
    stage_start(s, &sub, 1);
    stage_expect_notice(s, PBUS_NOTICE_SCHEMA);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM effect"), 0);
    registry_fixture_start(r);
    stage_expect_soon(s, 3, "SELECT count(*) FROM effect WHERE attempt = 1");
    assert_int_equal(registry_fixture_asked(r, asked), 1);
    registry_fixture_kill(r);
    produce(s, "c", &f, R(ID), "{\"id\":4}");
    stage_expect_soon(s, 4, "SELECT count(*) FROM effect WHERE attempt = 1");
    expect_effects(s, "a={\"id\":1} a={\"id\":2} b={\"id\":3} c={\"id\":4}");
    assert_true(pbus_worker_count(s->worker, "main", &counts));
    assert_int_equal(counts.n_dead + counts.n_retries, 0);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
    registry_fixture_free(r);
}

static void expect_waited_for(stage *s, int http_status)
{
    registry_fixture *r = registry_fixture_new(NULL);
    pbus_subscription sub = of_registry(s, r, insert_json);
    const pbus_frame f = confluent(register_in(r, R(ID))), unknown = confluent(f.schema_id + 40);
    registry_fixture_fault(r, http_status);
    produce(s, "a", &f, R(ID), "{\"id\":1}");
    produce(s, "a", &unknown, R(ID), "{\"id\":2}");
    stage_start(s, &sub, 1);
    stage_expect_notice(s, PBUS_NOTICE_SCHEMA);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
    registry_fixture_fault(r, 0);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM postbus_inbox.dead WHERE reason = 'unreadable' AND last_error "
                      "LIKE '%registry%'");
    registry_fixture_free(r);
}

static void what_a_registry_answers_with_an_error_is_not_dead(void **state)
{
    expect_waited_for(*state, 401);
}

static void what_a_registry_finds_in_no_schema_is_not_dead(void **state)
{
    expect_waited_for(*state, 422); /* whose schema? Nobody sent one */
}

/* The second one's claim comes with the commit of the first, and its schema cannot be asked for. */
static void an_event_that_waits_for_its_schema_holds_no_transaction_open(void **state)
{
    stage *s = *state;
    registry_fixture *r = registry_fixture_new(NULL);
    pbus_subscription sub = of_registry(s, r, insert_json);
    pbus_avro both = {.registry = sub.avro->registry, .conninfo = schemas};
    const pbus_frame far = confluent(register_in(r, R(ID NAME))), near = single_object(R(ID));
    registry_fixture_kill(r);
    avro_add(s->conn, "r", R(ID));
    sub.avro = &both;
    sub.n_threads = 1;
    produce(s, "a", &near, R(ID), "{\"id\":1}");
    produce(s, "a", &far, R(ID NAME), "{\"id\":2,\"name\":\"Ada\"}");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_expect_notice(s, PBUS_NOTICE_SCHEMA);
    stage_expect_soon(s, 0,
                      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'postbus % lane %' "
                      "AND state = 'idle in transaction'");
    registry_fixture_start(r);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect WHERE attempt = 1");
    expect_effects(s, "a={\"id\":1} a={\"id\":2,\"name\":\"Ada\"}");
    registry_fixture_free(r);
}

/* The ids of a topic that is bound are the database's, those of another the registry's. */
static void the_same_id_is_another_schema_in_another_topic(void **state)
{
    stage *s = *state;
    registry_fixture *r = registry_fixture_new(NULL);
    pbus_subscription sub = of_registry(s, r, insert_json);
    pbus_avro both = {.registry = sub.avro->registry, .conninfo = schemas};
    char *far_topic = kafka_fixture_new_topic(stage_kafka, "far", 1, NULL);
    const char *topics[] = {s->topic, far_topic};
    const pbus_frame f = confluent(register_in(r, R(NUMBER)));
    const framed far = frame(&f, R(NUMBER), "{\"number\":2}");
    pg_run(s->conn, "ALTER TABLE postbus.schema ALTER id RESTART WITH %d", f.schema_id);
    assert_int_equal(avro_add(s->conn, "r", R(ID)), f.schema_id);
    pg_run(s->conn, "SELECT postbus.bind('%s', 'r')", s->topic);
    sub.avro = &both;
    sub.topics = topics;
    sub.n_topics = 2;
    produce(s, "a", &f, R(ID), "{\"id\":1}");
    stage_produce_bytes(far_topic, "b", far.bytes, far.size, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    expect_effects(s, "a={\"id\":1} b={\"number\":2}");
    stage_stop(s);
    free(far_topic);
    registry_fixture_free(r);
}

static pbus_outcome not_now(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)event;
    (void)tx;
    (void)arg;
    return pbus_retry("not now", 86400000);
}

/* Nor is it an attempt, of the only one that is left. */
static void an_event_that_waits_in_the_database_waits_for_the_registry(void **state)
{
    stage *s = *state;
    registry_fixture *r = registry_fixture_new(NULL);
    pbus_subscription sub = of_registry(s, r, not_now);
    const pbus_frame f = confluent(register_in(r, R(ID)));
    sub.retry.max_attempts = 2;
    produce(s, "a", &f, R(ID), "{\"id\":1}");
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM postbus_inbox.waiting WHERE attempts = 1");
    stage_stop(s);
    registry_fixture_kill(r);
    pg_run(s->conn, "UPDATE postbus_inbox.waiting SET due_at = now()");
    sub.handler = insert_json;
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1,
                      "SELECT count(*) FROM postbus_inbox.waiting WHERE attempts = 1 AND due_at > first_at "
                      "AND last_error LIKE '%registry%' AND jsonb_array_length(history) = 1");
    stage_expect_notice(s, PBUS_NOTICE_SCHEMA);
    registry_fixture_start(r);
    pg_run(s->conn, "UPDATE postbus_inbox.waiting SET due_at = now()");
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE attempt = 2");
    stage_expect_soon(s, 0, "SELECT count(*) FROM postbus_inbox.waiting");
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 0);
    registry_fixture_free(r);
}

static void a_worker_that_waits_for_schemas_stops(void **state)
{
    stage *s = *state;
    pbus_avro avro = {.conninfo = "host=/nowhere"};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    stage_produce_bytes(s->topic, "a", "\0\0\0\0\1\2", 6, NULL);
    stage_start(s, &sub, 1);
    stage_expect_notice(s, PBUS_NOTICE_SCHEMA);
    stage_stop(s);
    assert_int_equal(avro_add(s->conn, "r", R(ID)), 1);
    avro.conninfo = schemas;
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE attempt = 1");
}

enum { MANY_THREADS = 16, MANY_EVENTS = 64 };

/* It takes connections, and says nothing: each thread has an event whose schema it wants to ask for. */
static void a_database_of_schemas_that_answers_nothing_holds_up_no_stop(void **state)
{
    stage *s = *state;
    char conninfo[200], key[16];
    net_proxy *between = net_proxy_new();
    net_proxy_aim(between, pg_fixture_port(stage_server));
    net_proxy_hold(between, NET_BOTH_WAYS);
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d dbname=billing user=postgres",
             net_proxy_port(between));
    pbus_avro avro = {.conninfo = conninfo};
    pbus_subscription sub = stage_subscription(s, insert_json);
    sub.avro = &avro;
    sub.n_threads = MANY_THREADS;
    const pbus_frame f = confluent(avro_add(s->conn, "r", R(ID)));
    for (int i = 0; i < MANY_EVENTS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        produce(s, key, &f, R(ID), "{\"id\":1}");
    }
    stage_start(s, &sub, 1);
    stage_expect_notice(
        s, PBUS_NOTICE_SCHEMA); /* the first has waited in vain, and all others have come to ask */
    stage_stop(s);
    stage_start(s, &sub, 1);
    net_proxy_heal(between);
    stage_expect_soon(s, MANY_EVENTS, "SELECT count(*) FROM effect WHERE attempt = 1");
    stage_stop(s);
    net_proxy_free(between);
}

static atomic_int n_direct;

static pbus_outcome count_json(const pbus_delivery *event, PGconn *tx, void *arg)
{
    (void)arg;
    n_direct += !tx && event->attempt == 1 && strcmp(event->value_json, "{\"id\":1}") == 0;
    return pbus_ack();
}

static bool all_are_counted(void *arg)
{
    (void)arg;
    return n_direct >= 2;
}

static void without_a_database_schemas_are_waited_for_too(void **state)
{
    stage *s = *state;
    static const pbus_condition one = {"value:id", PBUS_TEST_EQUALS, "1"};
    registry_fixture *r = registry_fixture_new(NULL);
    pbus_subscription sub = of_registry(s, r, count_json);
    const pbus_frame f = confluent(register_in(r, R(ID)));
    sub.filter = &one;
    sub.n_conditions = 1;
    sub.at_dead = PBUS_AT_DEAD_SKIP;
    pbus_worker_options options = stage_options(s, &sub, 1);
    options.conninfo = NULL;
    options.positions = PBUS_POSITIONS_KAFKA;
    registry_fixture_kill(r);
    produce(s, "a", &f, R(ID), "{\"id\":1}");
    produce(s, "a", &f, R(ID), "{\"id\":2}");
    stage_produce(s->topic, "b", "no frame", NULL, NULL);
    produce(s, "b", &f, R(ID), "{\"id\":1}");
    n_direct = 0;
    if (pbus_worker_start(&options, &s->worker, &s->err) != PBUS_OK)
        fail_msg("%s", s->err.message);
    stage_expect_notice(s, PBUS_NOTICE_SCHEMA);
    stage_expect_notice(s, PBUS_NOTICE_DEAD);
    assert_int_equal(n_direct, 0);
    registry_fixture_start(r);
    assert_true(wait_until(all_are_counted, NULL, STAGE_DEADLINE_MS));
    stage_stop(s);
    /* Where it had to join its group anew, events may come again. */
    if (stage_notices(s, PBUS_NOTICE_ASSIGNED) == 1) {
        assert_int_equal(n_direct, 2);
        assert_int_equal(stage_notices(s, PBUS_NOTICE_DEAD), 1);
    }
    registry_fixture_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AVRO_TEST(values_are_read_by_the_frames_that_the_database_knows),
        AVRO_TEST(one_schema_for_all_values_needs_no_frame),
        AVRO_TEST(what_cannot_be_read_is_a_dead_letter_that_says_why),
        AVRO_TEST(in_batches_too),
        AVRO_TEST(an_id_of_a_topic_with_ids_of_a_registry_is_no_other_subjects),
        AVRO_TEST(a_redriven_event_is_read_anew),
        AVRO_TEST(fields_of_avro_are_filtered),
        AVRO_TEST(a_registry_that_is_away_is_waited_for_and_asked_once),
        AVRO_TEST(what_a_registry_answers_with_an_error_is_not_dead),
        AVRO_TEST(what_a_registry_finds_in_no_schema_is_not_dead),
        AVRO_TEST(an_event_that_waits_for_its_schema_holds_no_transaction_open),
        AVRO_TEST(the_same_id_is_another_schema_in_another_topic),
        AVRO_TEST(an_event_that_waits_in_the_database_waits_for_the_registry),
        AVRO_TEST(without_a_database_schemas_are_waited_for_too),
        AVRO_TEST(a_worker_that_waits_for_schemas_stops),
        AVRO_TEST(a_database_of_schemas_that_answers_nothing_holds_up_no_stop),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
