/* Topics with the ids of a schema registry: their versions are registered by whoever binds and adds; publishers, relay and all that is
 * known go on while the registry is away. */
#include "avro_subject.h"
#include "cmocka_all.h"
#include "pg_query.h"
#include "registry_fixture.h"
#include "stage.h"
#include "text_file.h"

#include <postbus/registry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define ID "{\"name\":\"id\",\"type\":\"long\"}"
#define NOTE ",{\"name\":\"note\",\"type\":\"string\"}"
#define NOTE_DEFAULT ",{\"name\":\"note\",\"type\":\"string\",\"default\":\"-\"}"

static registry_fixture *registry;
static char folder[] = "/tmp/postbus-relay-registry.XXXXXX";
static char *said;

/* Runs postbus with these words, which end with NULL, in the outbox's database, as its owner. */
static int postbus(const outbox *o, const char *url, const char *const *words)
{
    char database[200], registry_url[100], brokers[200];
    const char *argv[16] = {getenv("POSTBUS_TEST_POSTBUS") ? getenv("POSTBUS_TEST_POSTBUS") : POSTBUS_BINARY};
    size_t n = 1;
    snprintf(database, sizeof database, "POSTBUS_DATABASE=host=%s port=%s user=%s dbname=%s", PQhost(o->conn),
             PQport(o->conn), PQuser(o->conn), o->database);
    snprintf(registry_url, sizeof registry_url, "POSTBUS_REGISTRY_URL=%s", url);
    snprintf(brokers, sizeof brokers, "POSTBUS_BROKERS=%s", kafka_fixture_brokers(stage_kafka));
    while (*words)
        argv[n++] = *words++;
    free(said);
    said = NULL;
    return proc_fixture_run(argv, (const char *const[]){database, registry_url, brokers, NULL}, &said,
                            SOON_MS * 2);
}
#define POSTBUS(o, ...) postbus(o, registry_fixture_url(registry), (const char *const[]){__VA_ARGS__, NULL})

static void expect(int expected, int code, const char *part)
{
    if (code != expected || !strstr(said, part))
        fail_msg("exit code %d instead of %d, or not \"%s\": %s", code, expected, part, said);
}

static const char *file(const char *name, const char *text)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    text_file_write(path, text);
    return path;
}

static int32_t id_in_registry(const char *topic, const char *text)
{
    char subject[200];
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = registry_fixture_url(registry);
    pbus_registry *client;
    pbus_error err;
    int32_t id;
    pbus_schema *schema = avro_schema(text);
    snprintf(subject, sizeof subject, "%s-value", topic);
    assert_int_equal(pbus_registry_new(&options, &client, &err), PBUS_OK);
    if (pbus_registry_find(client, subject, schema, &id, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    pbus_registry_free(client);
    pbus_schema_free(schema);
    return id;
}

static void expect_id(const topic_record *record, int32_t id)
{
    pbus_frame frame;
    pbus_error err;
    if (pbus_frame_read(record->value, record->value_size, PBUS_FRAMING_CONFLUENT, &frame, &err) != PBUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(frame.schema_id, id);
}

static void frames_have_the_ids_of_the_registry_which_nobody_needs_but_who_changes_schemas(void **state)
{
    (void)state;
    char listed[300];
    outbox *o = outbox_new();
    const char *one = file("one.avsc", R(ID)), *two = file("two.avsc", R(ID NOTE_DEFAULT));
    expect(0, POSTBUS(o, "schema", "add", "orders-value", one), "added as version 1, id 1");
    expect(0, POSTBUS(o, "schema", "bind", o->topic, "orders-value", "--registry"),
           "with the ids of the registry");
    snprintf(listed, sizeof listed, "%s (confluent, %s)", o->topic, registry_fixture_url(registry));
    expect(0, POSTBUS(o, "schema", "list"), listed);
    snprintf(listed, sizeof listed, "{\"topic\":\"%s\",\"framing\":\"confluent\",\"registry\":\"%s\"}",
             o->topic, registry_fixture_url(registry));
    expect(0, POSTBUS(o, "schema", "list", "--json"), listed);
    int32_t first = id_in_registry(o->topic, R(ID));
    assert_int_not_equal(first, 1);
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":1}'::text, 'k')", o->topic);
    expect_drained(o);
    expect(0, POSTBUS(o, "schema", "add", "orders-value", two), "has the id ");
    int32_t second = id_in_registry(o->topic, R(ID NOTE_DEFAULT));
    registry_fixture_kill(registry);
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":2,\"note\":\"n\"}'::text, 'k')", o->topic);
    expect_drained(o);
    relay_stop(relay);
    relay = relay_start_leading(o, NULL);
    pg_run(o->conn, "SELECT postbus.publish('%s', '{\"id\":3}'::text, 'k')", o->topic);
    expect_drained(o);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 3, SOON_MS);
    assert_int_equal(all.n_rows, 3);
    expect_id(&all.rows[0], first);
    expect_id(&all.rows[1], second);
    expect_id(&all.rows[2], second);
    topic_records_done(&all);
    relay_stop(relay);
    /* A topic's ids are found in the database first. */
    expect(0, POSTBUS(o, "tail", "-e", o->topic), "{\"id\":3,\"note\":\"-\"}");
    expect(0, postbus(o, "", (const char *const[]){"tail", "-e", o->topic, NULL}),
           "{\"id\":3,\"note\":\"-\"}");
    registry_fixture_start(registry);
    outbox_free(o);
}

static void what_the_registry_does_not_take_is_not_added_and_nothing_changes_while_it_is_away(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    const char *one = file("one.avsc", R(ID)), *two = file("two.avsc", R(ID NOTE)),
               *three = file("three.avsc", R(ID NOTE_DEFAULT));
    expect(0, POSTBUS(o, "schema", "add", "s", one, "--compatibility", "none"), "added as version 1");
    expect(2, postbus(o, "", (const char *const[]){"schema", "bind", o->topic, "s", "--registry", NULL}),
           "no registry is given; use --registry-url URL");
    expect(2, POSTBUS(o, "schema", "bind", o->topic, "s", "--registry", "--framing", "none"),
           "only the framing confluent");
    registry_fixture_kill(registry);
    expect(1, POSTBUS(o, "schema", "bind", o->topic, "s", "--registry"), "run it again once it answers");
    registry_fixture_start(registry);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.binding"), 0);
    expect(0, POSTBUS(o, "schema", "bind", o->topic, "s", "--registry"), "bound to s");
    expect(4, POSTBUS(o, "schema", "add", "s", two), "READER_FIELD_MISSING_DEFAULT_VALUE at /fields/note");
    expect(4, POSTBUS(o, "schema", "add", "s", two, "--dry-run"), "READER_FIELD_MISSING_DEFAULT_VALUE");
    expect(0, POSTBUS(o, "schema", "add", "s", three, "--dry-run"), "would be added as version 2");
    expect(2, postbus(o, "", (const char *const[]){"schema", "add", "s", three, NULL}),
           "where the version has to be registered");
    registry_fixture_kill(registry);
    expect(1, POSTBUS(o, "schema", "add", "s", three), "nothing was changed");
    registry_fixture_start(registry);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.subject_version"), 1);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.registered"), 1);
    expect(0, POSTBUS(o, "schema", "add", "s", three), "added as version 2");
    /* A version that was added without its id being known is used by nobody. */
    pg_expect_refused(o->conn, "PB011",
                      "BEGIN; DELETE FROM postbus.registered WHERE schema_id = (SELECT max(schema_id) FROM "
                      "postbus.registered); SELECT postbus.rebind()");
    pg_run(o->conn, "ROLLBACK");
    outbox_free(o);
}

static void what_is_avro_already_names_a_schema_by_the_id_of_the_registry(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    expect(0, POSTBUS(o, "schema", "add", "s", file("one.avsc", R(ID))), "added as version 1, id 1");
    expect(0, POSTBUS(o, "schema", "bind", o->topic, "s", "--registry"), "bound to s");
    unsigned id = (unsigned)id_in_registry(o->topic, R(ID));
    pg_expect_refused(o->conn, "PB010", "SELECT postbus.publish('%s', '\\x000000000102'::bytea)", o->topic);
    pg_run(o->conn, "SELECT postbus.publish('%s', '\\x00%08x02'::bytea)", o->topic, id);
    expect(0, POSTBUS(o, "schema", "bind", o->topic, "s"), "in the framing confluent\n");
    pg_run(o->conn, "SELECT postbus.publish('%s', '\\x000000000102'::bytea)", o->topic);
    pg_expect_refused(o->conn, "PB010", "SELECT postbus.publish('%s', '\\x00%08x02'::bytea)", o->topic, id);
    outbox_free(o);
}

static void a_topic_of_another_producer_is_read_by_the_registry(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    expect(0, POSTBUS(o, "schema", "add", "s", file("one.avsc", R(ID))), "added as version 1, id 1");
    expect(0, POSTBUS(o, "schema", "bind", o->topic, "s", "--registry"), "bound to s");
    unsigned id = (unsigned)id_in_registry(o->topic, R(ID));
    char *other = kafka_fixture_new_topic(stage_kafka, "foreign", 1, NULL);
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(o->conn, "SELECT postbus.publish('%s', '\\x00%08x0e'::bytea)", other, id);
    expect_drained(o);
    relay_stop(relay);
    expect(0, POSTBUS(o, "tail", "-e", other), "{\"id\":7}");
    expect(0,
           postbus(o, registry_fixture_url(registry),
                   (const char *const[]){"tail", "-e", other, "--database", "", NULL}),
           "{\"id\":7}");
    registry_fixture_kill(registry);
    expect(0, POSTBUS(o, "tail", "-e", other), "printed as they are while this lasts: the registry ");
    registry_fixture_start(registry);
    free(other);
    outbox_free(o);
}

static int open_all(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    registry = registry_fixture_new(NULL);
    return stage_open(state);
}

static int close_all(void **state)
{
    static const char *const names[] = {"one.avsc", "two.avsc", "three.avsc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    free(said);
    registry_fixture_free(registry);
    return stage_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_the_ids_of_the_registry_which_nobody_needs_but_who_changes_schemas),
        cmocka_unit_test(what_the_registry_does_not_take_is_not_added_and_nothing_changes_while_it_is_away),
        cmocka_unit_test(what_is_avro_already_names_a_schema_by_the_id_of_the_registry),
        cmocka_unit_test(a_topic_of_another_producer_is_read_by_the_registry),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
