/* What brokers are asked about partitions, and how it ends where they are slow. The broker is librdkafka's mock broker, in this program. */
#include "cmocka_all.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

#include "leaders.h"

/* A question takes ANSWER_MS, and a topic three of them: a look that takes LOOK_MS reaches one or two. */
enum {
    N_TOPICS = 4,
    N_PARTITIONS = 3,
    N = N_TOPICS * N_PARTITIONS,
    ANSWER_MS = 300,
    LOOK_MS = 1500,
    MOST_LOOKS = 40
};
enum { ENDLESS_MS = 60000, LIST_OFFSETS = 2 /* the number of the request in the protocol */ };

typedef struct stage {
    feed feed;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
    rd_kafka_topic_partition_list_t *all;
} stage;

static const worker_config cfg;
static const subscription sub = {.n_threads = 1};
static stage s;

static int setup_of(const char *n_brokers)
{
    char topic[16];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_true(feed_init(&s.feed, &cfg, &sub));
    assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", n_brokers, NULL, 0), RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", "g", NULL, 0), RD_KAFKA_CONF_OK);
    s.rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    assert_non_null(s.rk);
    s.mock = rd_kafka_handle_mock_cluster(s.rk);
    s.all = rd_kafka_topic_partition_list_new(N);
    for (int t = 0; t < N_TOPICS; t++) {
        snprintf(topic, sizeof topic, "t%d", t);
        assert_int_equal(rd_kafka_mock_topic_create(s.mock, topic, N_PARTITIONS, 1),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        for (int p = 0; p < N_PARTITIONS; p++)
            rd_kafka_topic_partition_list_add(s.all, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_of("1");
}

static int setup_of_four(void **state)
{
    (void)state;
    return setup_of("4");
}

static int teardown(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_destroy(s.all);
    rd_kafka_destroy(s.rk);
    feed_done(&s.feed);
    return 0;
}

static int look(int64_t limit_ms, int *from, leaders_ends *ends)
{
    int n_known = 0;
    leaders_ask(&s.feed, s.rk, s.all, feed_now_ms() + limit_ms, from, ends);
    for (int i = 0; i < N; i++)
        n_known += ends[i].low == 0 && ends[i].high == 0 && ends[i].start == 0;
    return n_known;
}

static void all_that_are_wanted_are_told(void **state)
{
    (void)state;
    leaders_ends ends[N];
    int from = N - 1;
    s.all->elems[4].offset = RD_KAFKA_OFFSET_INVALID; /* not asked about */
    assert_int_equal(look(ENDLESS_MS, &from, ends), N - 1);
    assert_int_equal(ends[4].low, -1);
    assert_int_equal(from, 0);
}

static void the_first_since_a_time_is_the_end_where_there_is_none(void **state)
{
    (void)state;
    leaders_ends ends[N];
    int from = 0;
    for (int i = 0; i < N; i++)
        s.all->elems[i].offset = 1;
    assert_int_equal(look(ENDLESS_MS, &from, ends), N);
}

static void one_that_has_no_leader_holds_up_no_other(void **state)
{
    (void)state;
    leaders_ends ends[N];
    int from = 0;
    assert_int_equal(rd_kafka_mock_partition_set_leader(s.mock, "t1", 0, -1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(look(ENDLESS_MS, &from, ends), N - 1);
    assert_int_equal(ends[N_PARTITIONS].high, -1);
}

/* No look reaches all of them: each goes on where the last one ended. */
static void of_slow_brokers_the_last_partitions_are_reached_too(void **state)
{
    (void)state;
    leaders_ends ends[N];
    bool told[N] = {false};
    int from = 0, n_told = 0, n_looks = 0;
    assert_int_equal(look(ENDLESS_MS, &from, ends), N); /* connected */
    assert_int_equal(rd_kafka_mock_broker_set_rtt(s.mock, 1, ANSWER_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (; n_told < N && n_looks < MOST_LOOKS; n_looks++) {
        assert_true(look(LOOK_MS, &from, ends) < N);
        for (int i = 0; i < N; i++) {
            n_told += !told[i] && ends[i].low >= 0;
            told[i] = told[i] || ends[i].low >= 0;
        }
    }
    assert_int_equal(n_told, N);
}

/* Of a list one partition is refused, and with it all: each is then asked about by itself, and no look has time for all of a topic's. */
static void of_slow_brokers_that_refuse_a_list_the_last_partitions_are_reached_too(void **state)
{
    (void)state;
    leaders_ends ends[N];
    bool told[N] = {false};
    int from = 0, n_told = 0, n_looks = 0;
    assert_int_equal(look(ENDLESS_MS, &from, ends), N); /* connected */
    assert_int_equal(rd_kafka_mock_broker_set_rtt(s.mock, 1, ANSWER_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (; n_told < N && n_looks < MOST_LOOKS; n_looks++) {
        rd_kafka_mock_clear_request_errors(s.mock, LIST_OFFSETS);
        rd_kafka_mock_push_request_errors(s.mock, LIST_OFFSETS, 1,
                                          RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
        assert_true(look(LOOK_MS, &from, ends) < N);
        for (int i = 0; i < N; i++) {
            n_told += !told[i] && ends[i].low >= 0;
            told[i] = told[i] || ends[i].low >= 0;
        }
    }
    assert_int_equal(n_told, N);
}

/* Three of four brokers answer nothing after a question about offsets, be it about a topic: the look ends, and a later one begins behind them. */
static void behind_as_many_silent_brokers_as_a_look_waits_for_the_next_one_begins(void **state)
{
    (void)state;
    leaders_ends ends[N];
    char topic[16];
    int from = 0, n_told, n_looks = 0;
    for (int t = 0; t < N_TOPICS; t++)
        for (int p = 0; p < N_PARTITIONS; p++) {
            snprintf(topic, sizeof topic, "t%d", t);
            assert_int_equal(rd_kafka_mock_partition_set_leader(s.mock, topic, p, t + 1),
                             RD_KAFKA_RESP_ERR_NO_ERROR);
        }
    for (int broker = 1; broker < N_TOPICS; broker++)
        for (int i = 0; i < MOST_LOOKS; i++)
            assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(
                                 s.mock, broker, LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_NO_ERROR, ENDLESS_MS),
                             RD_KAFKA_RESP_ERR_NO_ERROR);
    do
        n_told = look(ENDLESS_MS, &from, ends);
    while (n_told == 0 && ++n_looks < MOST_LOOKS);
    assert_int_equal(n_told, N_PARTITIONS);
    assert_int_equal(ends[N - 1].low, 0);
}

static void nobody_is_asked_once_the_feed_stops(void **state)
{
    (void)state;
    leaders_ends ends[N];
    int from = 0;
    feed_stop(&s.feed);
    assert_int_equal(look(ENDLESS_MS, &from, ends), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_that_are_wanted_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_since_a_time_is_the_end_where_there_is_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_has_no_leader_holds_up_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(of_slow_brokers_the_last_partitions_are_reached_too, setup, teardown),
        cmocka_unit_test_setup_teardown(
            of_slow_brokers_that_refuse_a_list_the_last_partitions_are_reached_too, setup, teardown),
        cmocka_unit_test_setup_teardown(behind_as_many_silent_brokers_as_a_look_waits_for_the_next_one_begins,
                                        setup_of_four, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_asked_once_the_feed_stops, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
