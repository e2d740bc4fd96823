/* Brokers that are away, topics that are missing or take little: nothing is lost, nothing overtakes, the rest flows. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- brokers ---- */

static void a_broker_that_is_down_at_the_start_is_waited_for_with_no_transaction_open(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 100);
    kafka_fixture_stop(stage_kafka);
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 5; i++) {
        publish(o->conn, o->topic, NULL, 10);
        expect_sql(
            o->conn,
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'relay' AND datname = current_database() "
            "AND state = 'idle' AND backend_xmin IS NULL AND backend_xid IS NULL");
    }
    assert_int_equal(pg_number(o->conn, "SELECT pending FROM postbus.backlog()"), 150);
    kafka_fixture_start(stage_kafka);
    finish(o, relay);
}

static void a_broker_killed_in_flight_loses_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    publish(o->conn, o->topic, NULL, 2000);
    kafka_fixture_kill(stage_kafka);
    publish(o->conn, o->topic, NULL, 2000);
    kafka_fixture_start(stage_kafka);
    publish(o->conn, o->topic, NULL, 100);
    expect_drained(o);
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

static void a_stop_under_load_settles_all_that_was_read(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-rows", "50", NULL};
    outbox *o = outbox_new();
    for (int i = 0; i < 5; i++) {
        proc_fixture *relay = relay_start_leading(o, flags);
        publish(o->conn, o->topic, NULL, 3000);
        publish(o->conn, o->topic, NULL, 10);
        relay_stop(relay);
    }
    proc_fixture *relay = relay_start_leading(o, NULL);
    finish(o, relay);
}

/* The relay is silent and yet does not hold the doorbell's lock: it has read and handed over all it may, and waits for the broker. */
static proc_fixture *start_with_records_in_flight(const outbox *o, const char *timeout_ms)
{
    const char *const flags[] = {"--in-flight-bytes",     "65536",    "--page-rows", "50",
                                 "--shutdown-timeout-ms", timeout_ms, NULL};
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    kafka_fixture_freeze(stage_kafka);
    publish(o->conn, o->topic, NULL, 1000);
    expect_sql(o->conn,
               "SELECT count(*) FROM pg_stat_activity a WHERE a.usename = 'relay' AND a.datname = "
               "current_database() "
               "AND a.state = 'idle' AND clock_timestamp() - a.state_change > interval '200 ms' AND 1 = "
               "(SELECT count(*) FROM pg_locks k WHERE k.pid = a.pid AND k.locktype = 'advisory' AND "
               "k.objsubid = 1 AND k.granted)");
    return relay;
}

static void expect_given_up(const outbox *o, proc_fixture *relay)
{
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 3);
    proc_fixture_free(relay);
    kafka_fixture_thaw(stage_kafka);
    relay = relay_start_leading(o, NULL);
    expect_drained(o);
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
}

static void a_second_signal_quits_at_once_with_3(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = start_with_records_in_flight(o, "600000");
    proc_fixture_signal(relay, SIGTERM);
    proc_fixture_expect_log(relay, "relay.stopping", SOON_MS);
    proc_fixture_signal(relay, SIGTERM);
    expect_given_up(o, relay);
    outbox_free(o);
}

static void a_stop_that_takes_too_long_quits_with_3(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = start_with_records_in_flight(o, "100");
    proc_fixture_signal(relay, SIGTERM);
    expect_given_up(o, relay);
    outbox_free(o);
}

/* ---- topics ---- */

static void a_missing_topic_holds_up_no_other_and_drains_in_order(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    char *missing = kafka_fixture_new_name("missing");
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 5; i++) {
        publish(o->conn, missing, NULL, 10);
        publish(o->conn, o->topic, NULL, 10);
    }
    expect_nothing_pending(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(pg_number(o->conn, "SELECT parked FROM postbus.backlog()"), 50);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.event WHERE state = 'parked'"), 50);
    kafka_fixture_create_topic(stage_kafka, missing, 2, NULL);
    for (int i = 0; i < 20; i++)
        publish(o->conn, missing, NULL, 5);
    expect_drained(o);
    expect_each_arrived_once(o, missing);
    assert_int_equal(
        pg_number(
            o->conn,
            "SELECT count(*) FROM postbus.event WHERE state = 'published' AND broker_offset IS NOT NULL"),
        200);
    relay_stop(relay);
    free(missing);
    outbox_free(o);
}

static void parked_events_survive_relays_that_stop_and_die(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-rows", "7", NULL};
    outbox *o = outbox_new();
    char *missing = kafka_fixture_new_name("missing");
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, missing, NULL, 100);
    expect_nothing_pending(o);
    relay_kill(relay);
    publish(o->conn, missing, NULL, 100);
    relay = relay_start_leading(o, flags);
    expect_nothing_pending(o);
    relay_stop(relay);
    kafka_fixture_create_topic(stage_kafka, missing, 1, NULL);
    publish(o->conn, missing, NULL, 50);
    for (int i = 0; i < 4; i++) {
        relay = relay_start_crashing(o, i % 2 ? "after_ack:2" : "after_settle:1", flags);
        publish(o->conn, missing, NULL, 5);
        if (!is_drained(o, 3000))
            proc_fixture_wait_exit(relay, SOON_MS);
        proc_fixture_free(relay);
    }
    relay = relay_start_leading(o, flags);
    expect_drained(o);
    expect_all_arrived(o, missing);
    relay_stop(relay);
    free(missing);
    outbox_free(o);
}

/* Cleanly stopped in the middle of a lane, again and again: nothing is repeated. */
static void a_stop_in_the_middle_of_a_lane_repeats_nothing(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-rows", "20", NULL};
    outbox *o = outbox_new();
    char *missing = kafka_fixture_new_name("missing");
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, missing, NULL, 2000);
    expect_nothing_pending(o);
    relay_stop(relay);
    kafka_fixture_create_topic(stage_kafka, missing, 1, NULL);
    for (int i = 0; i < 4; i++) {
        char sql[100];
        relay = relay_start_leading(o, flags);
        snprintf(sql, sizeof sql, "SELECT (parked < %d)::int FROM postbus.backlog()", 2000 - 300 * i);
        expect_sql(o->conn, sql);
        relay_stop(relay);
    }
    relay = relay_start_leading(o, flags);
    expect_drained(o);
    expect_each_arrived_once(o, missing);
    relay_stop(relay);
    free(missing);
    outbox_free(o);
}

static void a_missing_topic_is_created_where_that_is_wanted(void **state)
{
    (void)state;
    static const char *const flags[] = {
        "--create-topics", "--topic-partitions", "5", "--topic-replication-factor", "1", NULL};
    outbox *o = outbox_new();
    char *missing = kafka_fixture_new_name("created");
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, missing, NULL, 30);
    expect_drained(o);
    expect_each_arrived_once(o, missing);
    proc_fixture_expect_log(relay, "partitions=5", SOON_MS);
    relay_stop(relay);
    free(missing);
    outbox_free(o);
}

static void a_topic_deleted_and_made_again_gets_what_came_later(void **state)
{
    (void)state;
    static const char *const flags[] = {"-X", "topic.metadata.refresh.interval.ms=500", "-X",
                                        "topic.metadata.propagation.max.ms=100", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    kafka_fixture_delete_topic(stage_kafka, o->topic);
    pg_run(o->conn, "SELECT setval('postbus.outbox_id_seq', 1000)");
    publish(o->conn, o->topic, NULL, 10);
    expect_sql(o->conn, "SELECT (parked = 10)::int FROM postbus.backlog()");
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, NULL);
    expect_drained(o);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 10, SOON_MS);
    assert_int_equal(all.n_rows, 10);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

/* ---- small topics ---- */

/* Each record fits, but not as many of them in one request as the producer would like to send. */
static void a_backlog_fits_a_topic_of_small_messages(void **state)
{
    (void)state;
    static const char *const small[] = {"max.message.bytes=20000", NULL};
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', 'k', decode(md5(i::text) || md5((i + "
           "1)::text) || "
           "repeat(md5((-i)::text) || md5((i * i)::text), 10), 'hex') FROM generate_series(1, 2000) i",
           o->topic);
    proc_fixture *relay = relay_start_leading(o, NULL);
    finish(o, relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_topic_holds_up_no_other_and_drains_in_order),
        cmocka_unit_test(parked_events_survive_relays_that_stop_and_die),
        cmocka_unit_test(a_stop_in_the_middle_of_a_lane_repeats_nothing),
        cmocka_unit_test(a_missing_topic_is_created_where_that_is_wanted),
        cmocka_unit_test(a_topic_deleted_and_made_again_gets_what_came_later),
        cmocka_unit_test(a_stop_under_load_settles_all_that_was_read),
        cmocka_unit_test(a_second_signal_quits_at_once_with_3),
        cmocka_unit_test(a_stop_that_takes_too_long_quits_with_3),
        cmocka_unit_test(a_broker_killed_in_flight_loses_nothing),
        cmocka_unit_test(a_broker_that_is_down_at_the_start_is_waited_for_with_no_transaction_open),
        cmocka_unit_test(a_backlog_fits_a_topic_of_small_messages),
    };
    return cmocka_run_group_tests(tests, stage_open_with_own_broker, stage_close);
}
