/* The servers of the tests are what the tests take them for: durable, restartable on the same data, and real. */
#include "cmocka_all.h"
#include "delivered.h"
#include "kafka_cluster.h"
#include "kafka_fixture.h"
#include "pg_fixture.h"
#include "pg_query.h"
#include "topic_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

enum { SOON_MS = 120000 };

static pg_fixture *pg;
static kafka_fixture *kafka;

static void a_server_commits_durably_and_takes_prepared_transactions(void **state)
{
    (void)state;
    PGconn *conn = pg_fixture_connect(pg, NULL, NULL);
    char *fsync_setting = pg_text(conn, "SHOW fsync");
    assert_string_equal(fsync_setting, "on");
    assert_true(pg_number(conn, "SELECT current_setting('max_prepared_transactions')::int") > 0);
    free(fsync_setting);
    PQfinish(conn);
}

static void what_was_committed_is_there_after_an_immediate_stop(void **state)
{
    (void)state;
    PGconn *conn = pg_fixture_connect(pg, NULL, NULL);
    pg_run(conn, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
    pg_fixture_restart(pg, PG_STOP_IMMEDIATE);
    PQreset(conn);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM kept"), 1);
    PQfinish(conn);
}

static void a_fresh_outbox_takes_an_event_and_refuses_a_bad_topic(void **state)
{
    (void)state;
    pg_fixture_create_outbox(pg, "fresh");
    PGconn *conn = pg_fixture_connect(pg, "fresh", NULL);
    assert_true(pg_number(conn, "SELECT postbus.publish('orders', 'one')") >= 1);
    assert_string_equal(pg_refused(conn, "SELECT postbus.publish('no topic', 'one')"), "PB001");
    assert_string_equal(pg_refused(conn, "SELECT 1"), "");
    PQfinish(conn);
}

static void a_standby_follows_and_is_read_only(void **state)
{
    (void)state;
    pg_fixture *standby = pg_fixture_new_standby(pg);
    PGconn *conn = pg_fixture_connect(standby, NULL, NULL);
    assert_int_equal(pg_number(conn, "SELECT pg_is_in_recovery()::int"), 1);
    assert_string_equal(pg_refused(conn, "CREATE TABLE refused (n int)"), "25006");
    PQfinish(conn);
    pg_fixture_free(standby);
}

static void produce(const char *topic, const char *key, const char *value)
{
    char message[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_fixture_brokers(kafka), NULL, 0);
    delivered_watch(conf);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof message);
    assert_non_null(producer);
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, strlen(key)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, value ? strlen(value) : 0}},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"colour", "blue", -1}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = 1700000000123},
    };
    assert_null(rd_kafka_produceva(producer, parts, sizeof parts / sizeof *parts));
    delivered_all(producer, SOON_MS);
    rd_kafka_destroy(producer);
}

static void a_record_is_read_back_with_all_it_has(void **state)
{
    (void)state;
    char *topic = kafka_fixture_new_topic(kafka, "whole", 3, NULL);
    produce(topic, "k", "v");
    topic_records records = topic_read(kafka_fixture_brokers(kafka), topic, 1, SOON_MS);
    assert_int_equal(records.n_rows, 1);
    assert_string_equal(records.rows[0].key, "k");
    assert_string_equal(records.rows[0].value, "v");
    assert_string_equal(topic_record_header(&records.rows[0], "colour"), "blue");
    assert_null(topic_record_header(&records.rows[0], "size"));
    assert_int_equal(records.rows[0].timestamp_ms, 1700000000123);
    assert_int_equal(records.rows[0].offset, 0);
    topic_records_done(&records);
    free(topic);
}

static void a_tombstone_is_not_an_empty_value(void **state)
{
    (void)state;
    char *topic = kafka_fixture_new_topic(kafka, "tombstone", 1, NULL);
    produce(topic, "k", "");
    produce(topic, "k", NULL);
    topic_records records = topic_read(kafka_fixture_brokers(kafka), topic, 2, SOON_MS);
    assert_int_equal(records.n_rows, 2);
    assert_non_null(records.rows[0].value);
    assert_null(records.rows[1].value);
    topic_records_done(&records);
    free(topic);
}

static void an_empty_topic_is_read_to_its_end(void **state)
{
    (void)state;
    char *topic = kafka_fixture_new_topic(kafka, "empty", 2, NULL);
    topic_records records = topic_read(kafka_fixture_brokers(kafka), topic, 0, SOON_MS);
    assert_int_equal(records.n_rows, 0);
    topic_records_done(&records);
    free(topic);
}

static void a_killed_broker_comes_back_with_its_data_on_its_port(void **state)
{
    (void)state;
    kafka_fixture *own = kafka_fixture_new(NULL);
    char *brokers = strdup(kafka_fixture_brokers(own));
    kafka_fixture_create_topic(own, "kept", 1, (const char *const[]){"max.message.bytes=5000", NULL});
    kafka_fixture *shared = kafka;
    kafka = own;
    produce("kept", "k", "before");
    kafka_fixture_kill(own);
    kafka_fixture_start(own);
    produce("kept", "k", "after");
    kafka = shared;
    assert_string_equal(kafka_fixture_brokers(own), brokers);
    topic_records records = topic_read(brokers, "kept", 2, SOON_MS);
    assert_int_equal(records.n_rows, 2);
    assert_string_equal(records.rows[0].value, "before");
    assert_string_equal(records.rows[1].value, "after");
    topic_records_done(&records);
    free(brokers);
    kafka_fixture_free(own);
}

static void a_partition_of_a_killed_node_has_no_leader_until_it_is_back(void **state)
{
    (void)state;
    static const int32_t nodes[] = {1, 2, 3};
    kafka_cluster *three = kafka_cluster_new(3, NULL);
    char *placed = kafka_cluster_place_topic(three, "placed", nodes, 3);
    char *spread = kafka_cluster_new_topic(three, "spread", 1, 3, NULL);
    for (int i = 0; i < 3; i++)
        kafka_cluster_expect_leader(three, placed, i, nodes[i]);
    kafka_fixture_kill(kafka_cluster_node(three, 2));
    kafka_cluster_expect_leader(three, placed, 1, -1);
    kafka_cluster_expect_leader(three, placed, 2, 3);
    kafka_fixture *shared = kafka;
    kafka = kafka_cluster_whole(three);
    produce(spread, "k", "while one is away");
    kafka = shared;
    kafka_cluster_start(three);
    kafka_cluster_expect_leader(three, placed, 1, 2);
    free(placed);
    free(spread);
    kafka_cluster_free(three);
}

static int start_servers(void **state)
{
    (void)state;
    pg = pg_fixture_new(NULL);
    kafka = kafka_fixture_shared();
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    kafka_fixture_free(kafka);
    pg_fixture_free(pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_commits_durably_and_takes_prepared_transactions),
        cmocka_unit_test(what_was_committed_is_there_after_an_immediate_stop),
        cmocka_unit_test(a_fresh_outbox_takes_an_event_and_refuses_a_bad_topic),
        cmocka_unit_test(a_standby_follows_and_is_read_only),
        cmocka_unit_test(a_record_is_read_back_with_all_it_has),
        cmocka_unit_test(a_tombstone_is_not_an_empty_value),
        cmocka_unit_test(an_empty_topic_is_read_to_its_end),
        cmocka_unit_test(a_killed_broker_comes_back_with_its_data_on_its_port),
        cmocka_unit_test(a_partition_of_a_killed_node_has_no_leader_until_it_is_back),
    };
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
