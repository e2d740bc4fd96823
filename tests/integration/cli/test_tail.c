/* postbus tail against a broker that already holds records, and one whose topic comes later. */
#include "cmocka_all.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* clang-format off: the second needs the first */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
/* clang-format on */

#include "delivered.h"
#include "pg_query.h"
#include "proc_fixture.h"
#include "stage.h"

static rd_kafka_t *producer;
static rd_kafka_mock_cluster_t *broker;

/* One partition, so that the order of the output is known. */
static void make_topic(const char *topic)
{
    assert_int_equal(rd_kafka_mock_topic_create(broker, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void produce(const char *topic, const void *key, size_t key_size, const void *value, size_t size)
{
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, key_size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, size}},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"id", "e-1", 3}},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"type", "t.x", 3}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = 1700000000123},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
    };
    assert_null(rd_kafka_produceva(producer, parts, sizeof parts / sizeof parts[0]));
    delivered_all(producer, 30000);
}

static int open_all(void **state)
{
    if (stage_open(state) != 0)
        return -1;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0);
    delivered_watch(conf);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    broker = rd_kafka_handle_mock_cluster(producer);
    setenv("POSTBUS_BROKERS", rd_kafka_mock_cluster_bootstraps(broker), 1);
    make_topic("orders");
    produce("orders", "k1", 2, "one", 3);
    produce("orders", NULL, 0, NULL, 0);
    produce("orders", "\xff", 1, "a\nb", 3);
    return 0;
}

static int close_all(void **state)
{
    rd_kafka_destroy(producer);
    return stage_close(state);
}

static void records_are_printed_from_the_beginning_to_the_end(void **state)
{
    (void)state;
    stage_expect(0, POSTBUS("tail", "orders", "--exit-at-end"));
    assert_string_equal(stage_said, "2023-11-14T22:13:20.123Z orders/0@0 k1 one\n"
                                    "2023-11-14T22:13:20.123Z orders/0@1 NULL NULL\n"
                                    "2023-11-14T22:13:20.123Z orders/0@2 \xff a\nb\n");
}

static void avro_is_printed_as_json_where_its_schema_is_found(void **state)
{
    (void)state;
    char path[] = "/tmp/postbus-tail-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}");
    close(fd);
    stage_database("tail_avro");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(0, POSTBUS("schema", "add", "avro-value", path));
    PGconn *conn = stage_connect();
    unsigned char single[11] = {0xC3, 1, [10] = 8};
    uint64_t fingerprint = (uint64_t)pg_number(conn, "SELECT fingerprint FROM postbus.schema");
    for (int i = 0; i < 8; i++)
        single[2 + i] = (unsigned char)(fingerprint >> (8 * i));
    PQfinish(conn);
    make_topic("avro");
    produce("avro", "framed", 6, "\0\0\0\0\1\6", 6);
    produce("avro", "single", 6, single, sizeof single);
    produce("avro", "bare", 4, "\12", 1);
    produce("avro", "unknown", 7, "\0\0\0\0\11\6", 6);
    produce("avro", "longer", 6, "\0\0\0\0\1\6\6", 7);
    produce("avro", "text", 4, "{\"a\":1}", 7);
    stage_expect(0, POSTBUS("tail", "avro", "--exit-at-end", "--format", "%k=%v;"));
    assert_memory_equal(stage_said, "framed={\"a\":3};single={\"a\":4};bare=\n;unknown=", 45);
    stage_expect(0, POSTBUS("tail", "avro", "--exit-at-end", "--json", "--schema", path));
    stage_says("\"key\":\"framed\",\"value_avro\":{\"a\":3},");
    stage_says("\"key\":\"bare\",\"value_avro\":{\"a\":5},");
    stage_says("\"key\":\"unknown\",\"value\":\"\\u0000\\u0000\\u0000\\u0000\\t\\u0006\",");
    stage_says("\"key\":\"longer\",\"value\":");
    stage_says("\"key\":\"text\",\"value\":\"{\\\"a\\\":1}\",");
    stage_expect(0, POSTBUS("tail", "avro", "--exit-at-end", "--json", "--raw"));
    stage_does_not_say("value_avro");
    stage_expect(0, POSTBUS("tail", "avro", "--exit-at-end", "--json", "--database", "host=/nowhere"));
    stage_says("postbus tail: values that are Avro are printed as they are: ");
    stage_does_not_say("value_avro");
    unsetenv("POSTBUS_DATABASE");
    stage_expect(0, POSTBUS("tail", "avro", "--exit-at-end", "--json", "--schema", path));
    stage_says("\"key\":\"framed\",\"value_avro\":{\"a\":3},");
    stage_expect(2, POSTBUS("tail", "avro", "--raw", "--schema", path));
    stage_expect(1, POSTBUS("tail", "avro", "--schema", "/nowhere/x.avsc"));
    unlink(path);
}

static void a_count_ends_it(void **state)
{
    (void)state;
    stage_expect(0, POSTBUS("tail", "orders", "--from", "beginning", "--count", "1", "--format",
                            "%v|%K|%S|%h|%i|%y|%%\\n"));
    assert_string_equal(stage_said, "one|2|3|id=e-1,type=t.x|e-1|t.x|%\n");
}

static void null_and_empty_are_told_apart_by_their_sizes(void **state)
{
    (void)state;
    make_topic("empty");
    produce("empty", "", 0, "", 0);
    stage_expect(0, POSTBUS("tail", "empty", "orders", "-e", "-f", "%t %K %S\\n"));
    stage_says("empty 0 0\n");
    stage_says("orders -1 -1\n");
}

static void json_is_an_object_a_line_and_bytes_are_base64(void **state)
{
    (void)state;
    stage_expect(0, POSTBUS("tail", "orders", "--exit-at-end", "--json"));
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        json_error_t error;
        json_t *record = json_loads(stage_said + at, JSON_DISABLE_EOF_CHECK, &error);
        assert_non_null(record);
        at += (size_t)error.position;
        assert_int_equal(json_integer_value(json_object_get(record, "offset")), i);
        assert_string_equal(json_string_value(json_object_get(record, "topic")), "orders");
        assert_int_equal(json_array_size(json_object_get(record, "headers")), 2);
        assert_int_equal(json_is_null(json_object_get(record, "value")), i == 1);
        if (i == 2) {
            assert_null(json_object_get(record, "key"));
            assert_string_equal(json_string_value(json_object_get(record, "key_base64")), "/w==");
            assert_string_equal(json_string_value(json_object_get(record, "value")), "a\nb");
        }
        json_decref(record);
    }
}

static void from_the_end_only_what_comes_is_printed(void **state)
{
    (void)state;
    make_topic("later");
    produce("later", "k", 1, "old", 3);
    proc_fixture *tail =
        proc_fixture_start_postbus((const char *const[]){"tail", "later", "--format", "<%v>\\n", NULL}, NULL);
    char *log = NULL;
    for (int i = 0; i < 300; i++) { /* until it has taken its place: each record is another one */
        char value[20];
        produce("later", "k", 1, value, (size_t)snprintf(value, sizeof value, "new-%d", i));
        if (proc_fixture_wait_log(tail, "<new-", 100))
            break;
    }
    assert_int_equal(proc_fixture_end(tail, SIGINT, 30000), 0);
    log = proc_fixture_log(tail);
    assert_non_null(strstr(log, "<new-"));
    assert_null(strstr(log, "<old>"));
    free(log);
    proc_fixture_free(tail);
}

static void a_topic_that_comes_later_is_waited_for_and_read_from_its_beginning(void **state)
{
    (void)state;
    proc_fixture *tail = proc_fixture_start_postbus(
        (const char *const[]){"tail", "unborn", "--format", "<%v>\\n", NULL}, NULL);
    proc_fixture_expect_log(tail, "there is no topic unborn yet", 30000);
    make_topic("unborn");
    produce("unborn", "k", 1, "first", 5);
    proc_fixture_expect_log(tail, "<first>", 30000);
    assert_int_equal(proc_fixture_end(tail, SIGTERM, 30000), 0);
    proc_fixture_free(tail);
}

static void topics_that_are_there_are_read_meanwhile_and_from_where_it_was_asked(void **state)
{
    (void)state;
    make_topic("present");
    produce("present", "k", 1, "old", 3);
    proc_fixture *tail = proc_fixture_start_postbus(
        (const char *const[]){"tail", "present", "absent", "--format", "<%v>\\n", NULL}, NULL);
    proc_fixture_expect_log(tail, "there is no topic absent yet", 30000);
    for (int i = 0; i < 300; i++) {
        produce("present", "k", 1, "new", 3);
        if (proc_fixture_wait_log(tail, "<new>", 100))
            break;
    }
    make_topic("absent");
    produce("absent", "k", 1, "first", 5);
    proc_fixture_expect_log(tail, "<first>", 30000);
    assert_int_equal(proc_fixture_end(tail, SIGTERM, 30000), 0);
    char *log = proc_fixture_log(tail);
    assert_non_null(strstr(log, "<new>"));
    assert_null(strstr(log, "<old>"));
    free(log);
    proc_fixture_free(tail);
}

static void a_missing_topic_is_a_fault_where_it_is_not_waited_for(void **state)
{
    (void)state;
    stage_expect(1, POSTBUS("tail", "nowhere", "--exit-at-end"));
    stage_says("there is no topic nowhere");
}

static void a_topic_without_records_ends_at_once(void **state)
{
    (void)state;
    make_topic("bare");
    stage_expect(0, POSTBUS("tail", "bare", "--exit-at-end"));
    assert_string_equal(stage_said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_printed_from_the_beginning_to_the_end),
        cmocka_unit_test(avro_is_printed_as_json_where_its_schema_is_found),
        cmocka_unit_test(a_count_ends_it),
        cmocka_unit_test(null_and_empty_are_told_apart_by_their_sizes),
        cmocka_unit_test(json_is_an_object_a_line_and_bytes_are_base64),
        cmocka_unit_test(from_the_end_only_what_comes_is_printed),
        cmocka_unit_test(a_topic_that_comes_later_is_waited_for_and_read_from_its_beginning),
        cmocka_unit_test(topics_that_are_there_are_read_meanwhile_and_from_where_it_was_asked),
        cmocka_unit_test(a_missing_topic_is_a_fault_where_it_is_not_waited_for),
        cmocka_unit_test(a_topic_without_records_ends_at_once),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
