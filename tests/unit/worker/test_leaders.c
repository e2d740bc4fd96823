/* What brokers are asked about partitions. The broker is librdkafka's mock broker, in this program; it is asked once, and none of its answers is slow. */
#include "cmocka_all.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

#include "leaders.h"

enum { N_TOPICS = 4, N_PARTITIONS = 3, N = N_TOPICS * N_PARTITIONS, ENDLESS_MS = 60000 };

typedef struct stage {
    feed feed;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
    rd_kafka_topic_partition_list_t *all;
} stage;

static const worker_config cfg;
static const subscription sub = {.n_threads = 1};
static stage s;

static int setup(void **state)
{
    (void)state;
    char topic[16];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_true(feed_init(&s.feed, &cfg, &sub));
    assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0), RD_KAFKA_CONF_OK);
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

static int teardown(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_destroy(s.all);
    rd_kafka_destroy(s.rk);
    feed_done(&s.feed);
    return 0;
}

static int look(int *from, leaders_ends *ends)
{
    int n_known = 0;
    leaders_ask(&s.feed, s.rk, s.all, feed_now_ms() + ENDLESS_MS, from, ends);
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
    assert_int_equal(look(&from, ends), N - 1);
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
    assert_int_equal(look(&from, ends), N);
}

static void one_that_has_no_leader_holds_up_no_other(void **state)
{
    (void)state;
    leaders_ends ends[N];
    int from = 0;
    assert_int_equal(rd_kafka_mock_partition_set_leader(s.mock, "t1", 0, -1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(look(&from, ends), N - 1);
    assert_int_equal(ends[N_PARTITIONS].high, -1);
}

static void nobody_is_asked_once_the_feed_stops(void **state)
{
    (void)state;
    leaders_ends ends[N];
    int from = 0;
    feed_stop(&s.feed);
    assert_int_equal(look(&from, ends), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_that_are_wanted_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_since_a_time_is_the_end_where_there_is_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_has_no_leader_holds_up_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_asked_once_the_feed_stops, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
