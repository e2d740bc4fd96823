/* Errors of which nobody can tell whether the record is at fault, its topic or the broker: other topics go on, and nothing is given up. The brokers
 * are librdkafka's mock brokers, in this program: one refuses what it is told to, one takes all, one takes nothing. A broker that was ever told so heeds no
 * error that is pushed for the cluster, so each is told by itself. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "scrape.h"
#include "stage.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 100, REFUSING = 1, WELL = 2, TAKES_NOTHING = 3, PRODUCE = 0, FOR_EVER = 100000 };

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *mock;
static const char *const flags[] = {"--lane-timeout-ms", "2500", NULL};

static void make_refuse(int32_t broker, int n, rd_kafka_resp_err_t err)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(mock, broker, PRODUCE, 1, err, 0),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* The next so many requests with records come back with an error. */
static void refuse(int n, rd_kafka_resp_err_t err)
{
    make_refuse(REFUSING, n, err);
}

static int open_stage(void **state)
{
    (void)state;
    char message[256];
    host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, message, sizeof message);
    assert_non_null(host);
    mock = rd_kafka_mock_cluster_new(host, 3);
    assert_non_null(mock);
    make_refuse(TAKES_NOTHING, FOR_EVER, RD_KAFKA_RESP_ERR_UNKNOWN);
    return stage_open_with(kafka_fixture_at(rd_kafka_mock_cluster_bootstraps(mock)));
}

static int close_stage(void **state)
{
    stage_close(state);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
    return 0;
}

static char *topic_of(int n_partitions)
{
    char *topic = kafka_fixture_new_name("t");
    assert_int_equal(rd_kafka_mock_topic_create(mock, topic, n_partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    return topic;
}

static void lead(const char *topic, int32_t partition, int32_t broker)
{
    assert_int_equal(rd_kafka_mock_partition_set_leader(mock, topic, partition, broker),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

static char *topic_led_by(int32_t broker)
{
    char *topic = topic_of(1);
    lead(topic, 0, broker);
    return topic;
}

static void stop_having_thrown_away(proc_fixture *relay, long n_producers)
{
    assert_int_equal(proc_fixture_end(relay, SIGTERM, SOON_MS), 0);
    assert_int_equal(relay_counted(relay, "producers_recreated"), n_producers);
    proc_fixture_free(relay);
}

/* For longer than lane_timeout_ms: 25 times until then, and the rest from the lane. */
static void a_topic_that_is_refused_without_a_reason_waits_in_its_lane_and_no_other_does(void **state)
{
    (void)state;
    outbox *o = outbox_new_of(topic_led_by(REFUSING));
    char *other = topic_led_by(WELL);
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", N);
    publish(o->conn, other, NULL, N);
    expect_drained(o);
    refuse(120, RD_KAFKA_RESP_ERR_UNKNOWN);
    publish(o->conn, o->topic, "k", N);
    publish(o->conn, other, NULL, N);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 100)::int FROM postbus.backlog()");
    pg_expect(o->conn, "broker_error -1 topic",
              "SELECT DISTINCT reason || ' ' || error_code || ' ' || waits_for FROM postbus.parked");
    proc_fixture_expect_log(relay, "topic.refused", SOON_MS);
    publish(o->conn, o->topic, "k", N);
    publish(o->conn, other, NULL, N);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    expect_all_arrived(o, other);
    stop_having_thrown_away(relay, 1);
    free(other);
    outbox_free(o);
}

/* Each record that the other partition takes must not end the doubt, or the first producer meets the one that refuses again and again. */
static void a_partition_that_refuses_throws_no_producer_away_again_and_again(void **state)
{
    (void)state;
    enum { ROUNDS = 10, ENOUGH = 120 };
    char *topic = topic_of(2), *other = topic_led_by(WELL);
    lead(topic, 0, REFUSING);
    lead(topic, 1, WELL);
    outbox *o = outbox_new_of(topic);
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, N);
    expect_drained(o);
    refuse(ENOUGH, RD_KAFKA_RESP_ERR_UNKNOWN);
    for (int i = 0; i < ROUNDS; i++) {
        pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'round %d, ' || i) FROM generate_series(1, 20) i",
               o->topic, i);
        publish(o->conn, other, NULL, 10);
        expect_all_arrived(o, other);
    }
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(proc_fixture_end(relay, SIGTERM, SOON_MS), 0);
    assert_in_range(relay_counted(relay, "producers_recreated"), 1, 2); /* a doubt lasts for ten seconds */
    proc_fixture_free(relay);
    free(other);
    outbox_free(o);
}

/* A fault that is over before lane_timeout_ms parks nothing. */
static void a_short_fault_parks_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new_of(topic_led_by(REFUSING));
    static const char *const patient[] = {"--lane-timeout-ms", "60000", "--http-listen", "0", NULL};
    pg_run(o->conn,
           "CREATE TABLE was_parked (id bigint); GRANT INSERT ON was_parked TO PUBLIC;"
           "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
           "$$BEGIN INSERT INTO public.was_parked VALUES (NEW.id); RETURN NULL; END$$;"
           "CREATE TRIGGER note AFTER INSERT ON postbus.parked FOR EACH ROW EXECUTE FUNCTION note()");
    proc_fixture *relay = relay_start_leading(o, patient);
    publish(o->conn, o->topic, NULL, N);
    expect_drained(o);
    refuse(30, RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT);
    publish(o->conn, o->topic, NULL, N);
    expect_drained(o);
    pg_expect(o->conn, "0", "SELECT count(*) FROM was_parked");
    expect_each_arrived_once(o, o->topic);
    /* A broker may have written what it refused so. */
    scrape_expect_sample(scrape_port(relay), "postbus_possible_duplicates_total", 30);
    stop_having_thrown_away(relay, 1);
    outbox_free(o);
}

/* It waits for an operator. */
static proc_fixture *relay_start_with_one_parked(const outbox *o)
{
    proc_fixture *relay = relay_start_leading(o, flags);
    refuse(2, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    publish(o->conn, o->topic, "k", 1);
    expect_sql(o->conn, "SELECT count(*) FROM postbus.parked WHERE waits_for = 'operator'");
    return relay;
}

/* It has no lane while a redrive is refused: nothing of the topic waits but that event. */
static void what_is_refused_after_a_redrive_that_was_refused_and_then_taken_is_told_again(void **state)
{
    (void)state;
    outbox *o = outbox_new_of(topic_led_by(REFUSING));
    proc_fixture *relay = relay_start_with_one_parked(o);
    for (int round = 0; round < 2; round++) {
        refuse(1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
        if (round == 0)
            redrive_all(o);
        else
            publish(o->conn, o->topic, "k", 1);
        proc_fixture_expect_log(relay, "topic.refused", SOON_MS);
        expect_drained(o);
    }
    finish(o, relay);
}

/* Nothing else of the topic comes by that could tell whose fault it is. */
static void what_is_redriven_and_refused_without_a_reason_waits_for_a_person_again(void **state)
{
    (void)state;
    outbox *o = outbox_new_of(topic_led_by(REFUSING));
    proc_fixture *relay = relay_start_with_one_parked(o);
    lead(o->topic, 0, TAKES_NOTHING);
    for (int round = 0; round < 2; round++) {
        pg_run(o->conn, "UPDATE postbus.parked SET reason = 'invalid_record'");
        redrive_all(o);
        expect_sql(o->conn, "SELECT count(*) FROM postbus.parked WHERE waits_for = 'operator' AND reason = "
                            "'broker_error' AND error_code = -1 AND NOT EXISTS (SELECT FROM postbus.wish)");
    }
    relay_stop(relay);
    outbox_free(o);
}

/* librdkafka says so at once of each of its records, until it asks again. */
static void a_topic_of_which_brokers_say_an_error_that_passes_holds_up_no_other(void **state)
{
    (void)state;
    enum { N_TRIES = 5 };
    static const char *const telling[] = {"--log-level=debug", NULL};
    outbox *o = outbox_new_of(topic_of(0)); /* an error comes without partitions */
    char *other = topic_led_by(WELL);
    rd_kafka_mock_topic_set_error(mock, o->topic, RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE);
    proc_fixture *relay = relay_start_leading(o, telling);
    publish(o->conn, o->topic, NULL, N);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 100)::int FROM postbus.backlog()");
    pg_expect(o->conn, "broker_error/9/topic",
              "SELECT DISTINCT concat_ws('/', reason, error_code, waits_for) FROM postbus.parked");
    for (int i = 0; i < N_TRIES; i++)
        proc_fixture_expect_log(relay, "topic.refused", SOON_MS);
    publish(o->conn, other, NULL, N);
    expect_nothing_pending(o);
    expect_each_arrived_once(o, other);
    stop_having_thrown_away(relay, 1);
    free(other);
    outbox_free(o);
}

enum { MANY_PARTITIONS = 12 };

/* Of some dozens of keys. */
static void publish_to_all_partitions(const outbox *o)
{
    pg_run(o->conn,
           "SELECT count(postbus.publish('%s', 'v' || i, 'k' || i %% 37)) FROM generate_series(1, %d) i",
           o->topic, N);
}

static void expect_all_parked_behind_their_topic(const outbox *o, int n)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT (pending = 0 AND parked = %d)::int FROM postbus.backlog()", n);
    expect_sql(o->conn, sql);
    pg_expect(o->conn, "broker_error -1 topic",
              "SELECT DISTINCT reason || ' ' || error_code || ' ' || waits_for FROM postbus.parked");
}

static void lead_in_turn(const char *topic, int32_t broker, int32_t other)
{
    for (int32_t i = 0; i < MANY_PARTITIONS; i++)
        lead(topic, i, i % 2 == 0 ? broker : other);
}

/* A topic that has had events in each of its partitions. A mock broker refuses what it is told to also where it leads no more: the relay has to ask who
 * leads. */
static outbox *outbox_of_many_partitions(proc_fixture **out_relay)
{
    static const char *const asking[] = {"--lane-timeout-ms", "2500", "-X",
                                         "topic.metadata.refresh.interval.ms=500", NULL};
    outbox *o = outbox_new_of(topic_of(MANY_PARTITIONS));
    lead_in_turn(o->topic, WELL, WELL);
    *out_relay = relay_start_leading(o, asking);
    publish_to_all_partitions(o);
    expect_drained(o);
    return o;
}

static void end_with_partitions_well(outbox *o, proc_fixture *relay)
{
    lead_in_turn(o->topic, WELL, WELL);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    stop_having_thrown_away(relay, 1);
    outbox_free(o);
}

static void where_all_partitions_refuse_nothing_needs_a_person(void **state)
{
    (void)state;
    proc_fixture *relay;
    outbox *o = outbox_of_many_partitions(&relay);
    lead_in_turn(o->topic, TAKES_NOTHING, TAKES_NOTHING);
    publish_to_all_partitions(o);
    expect_all_parked_behind_their_topic(o, N);
    end_with_partitions_well(o, relay);
}

/* What has reached the partitions that are well until then stays there, and what comes later waits with the rest. */
static void where_some_partitions_refuse_their_topic_waits_as_one(void **state)
{
    (void)state;
    proc_fixture *relay;
    outbox *o = outbox_of_many_partitions(&relay);
    lead_in_turn(o->topic, TAKES_NOTHING, WELL);
    publish_to_all_partitions(o);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked > 0)::int FROM postbus.backlog()");
    int n_refused = (int)pg_number(o->conn, "SELECT parked FROM postbus.backlog()");
    assert_in_range(n_refused, 1, N - 1);
    publish_to_all_partitions(o);
    expect_all_parked_behind_their_topic(o, n_refused + N);
    end_with_partitions_well(o, relay);
}

/* What brokers say of a topic is no fault of a record. */
static void a_topic_that_a_policy_forbids_waits_and_none_of_its_events_is_blamed(void **state)
{
    (void)state;
    outbox *o = outbox_new_of(topic_of(0)); /* an error comes without partitions */
    rd_kafka_mock_topic_set_error(mock, o->topic, RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, N);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 100)::int FROM postbus.backlog()");
    pg_expect(o->conn, "policy_violation/44/topic",
              "SELECT DISTINCT concat_ws('/', reason, error_code, waits_for) FROM postbus.parked");
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_that_is_refused_without_a_reason_waits_in_its_lane_and_no_other_does),
        cmocka_unit_test(a_partition_that_refuses_throws_no_producer_away_again_and_again),
        cmocka_unit_test(a_short_fault_parks_nothing),
        cmocka_unit_test(what_is_refused_after_a_redrive_that_was_refused_and_then_taken_is_told_again),
        cmocka_unit_test(what_is_redriven_and_refused_without_a_reason_waits_for_a_person_again),
        cmocka_unit_test(a_topic_of_which_brokers_say_an_error_that_passes_holds_up_no_other),
        cmocka_unit_test(a_topic_that_a_policy_forbids_waits_and_none_of_its_events_is_blamed),
        cmocka_unit_test(where_all_partitions_refuse_nothing_needs_a_person),
        cmocka_unit_test(where_some_partitions_refuse_their_topic_waits_as_one),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}
