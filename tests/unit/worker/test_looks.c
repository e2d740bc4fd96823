/* How a look at partitions ends where brokers are slow or silent, and where the next one begins. The brokers and the clock are this program's own: the linker
 * puts them in the place of librdkafka's and of the feed's, and nothing is waited for. */
#include "cmocka_all.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leaders.h"

/* Of each topic one broker leads all partitions, and of the last one who leads the second's, too. LOOK_MS is enough for one question about each of two topics. */
enum { N_TOPICS = 6, N_PARTITIONS = 3, N = N_TOPICS * N_PARTITIONS, ANSWER_MS = 300, LOOK_MS = 1500 };
enum { MOST_LOOKS = 3 * N, ENDLESS_MS = 60000, VAIN_MS = 3000 /* of a question, as leaders.c has it */ };

typedef struct brokers {
    int64_t now_ms;
    int answer_ms;
    bool silent[N_TOPICS]; /* about offsets; by the number of the first topic it leads */
    bool refuse_lists;     /* of more than one partition */
    bool none;             /* nobody tells of a topic */
    int n_told, n_in_vain;
    const char *topic; /* told of last */
} brokers;

static const worker_config cfg;
static const subscription sub = {.n_threads = 1};
static feed f;
static brokers b;
static rd_kafka_topic_partition_list_t *all;
static int from;
static leaders_ends ends[N];
static bool reached[N];

int64_t __wrap_feed_now_ms(void);
rd_kafka_topic_t *__wrap_rd_kafka_topic_new(rd_kafka_t *rk, const char *topic, rd_kafka_topic_conf_t *conf);
void __wrap_rd_kafka_topic_destroy(rd_kafka_topic_t *rkt);
rd_kafka_resp_err_t __wrap_rd_kafka_metadata(rd_kafka_t *rk, int all_topics, rd_kafka_topic_t *rkt,
                                             const struct rd_kafka_metadata **out, int timeout_ms);
void __wrap_rd_kafka_metadata_destroy(const struct rd_kafka_metadata *told);
rd_kafka_resp_err_t __wrap_rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
                                                      int timeout_ms);

int64_t __wrap_feed_now_ms(void)
{
    return b.now_ms;
}

rd_kafka_topic_t *__wrap_rd_kafka_topic_new(rd_kafka_t *rk, const char *topic, rd_kafka_topic_conf_t *conf)
{
    (void)rk;
    (void)conf;
    b.topic = topic;
    return (rd_kafka_topic_t *)&b;
}

void __wrap_rd_kafka_topic_destroy(rd_kafka_topic_t *rkt)
{
    assert_ptr_equal(rkt, &b);
}

static rd_kafka_resp_err_t answer(bool comes, int after_ms, int timeout_ms)
{
    assert_true(timeout_ms > 0 && timeout_ms <= VAIN_MS);
    if (comes && after_ms <= timeout_ms) {
        b.now_ms += after_ms;
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    b.now_ms += timeout_ms;
    return RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static int leader_of(const char *topic)
{
    int number = atoi(topic + 1);
    return number == N_TOPICS - 1 ? 1 : number;
}

rd_kafka_resp_err_t __wrap_rd_kafka_metadata(rd_kafka_t *rk, int all_topics, rd_kafka_topic_t *rkt,
                                             const struct rd_kafka_metadata **out, int timeout_ms)
{
    static struct rd_kafka_metadata_partition partitions[N_PARTITIONS];
    static struct rd_kafka_metadata_topic topic = {.partition_cnt = N_PARTITIONS, .partitions = partitions};
    static const struct rd_kafka_metadata told = {.topic_cnt = 1, .topics = &topic};
    (void)rk;
    (void)rkt;
    assert_false(all_topics);
    for (int i = 0; i < N_PARTITIONS; i++)
        partitions[i] = (struct rd_kafka_metadata_partition){.id = i, .leader = leader_of(b.topic)};
    rd_kafka_resp_err_t code = answer(!b.none, 0, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        *out = &told;
    b.n_told += code == RD_KAFKA_RESP_ERR_NO_ERROR;
    return code;
}

void __wrap_rd_kafka_metadata_destroy(const struct rd_kafka_metadata *told)
{
    assert_non_null(told);
    b.n_told--;
}

rd_kafka_resp_err_t __wrap_rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
                                                      int timeout_ms)
{
    (void)rk;
    assert_true(list->cnt > 0);
    bool silent = b.silent[leader_of(list->elems[0].topic)];
    rd_kafka_resp_err_t code = answer(!silent, b.answer_ms, timeout_ms);
    b.n_in_vain += silent;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && b.refuse_lists && list->cnt > 1)
        return RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        list->elems[i].offset = list->elems[i].offset == RD_KAFKA_OFFSET_END ? 7 : 2;
    return code;
}

static int setup(void **state)
{
    char topic[16];
    (void)state;
    b = (brokers){.now_ms = 1000, .answer_ms = ANSWER_MS};
    from = 0;
    memset(reached, 0, sizeof reached);
    assert_true(feed_init(&f, &cfg, &sub));
    all = rd_kafka_topic_partition_list_new(N);
    for (int i = 0; i < N; i++) {
        snprintf(topic, sizeof topic, "t%d", i / N_PARTITIONS);
        rd_kafka_topic_partition_list_add(all, topic, i % N_PARTITIONS)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_destroy(all);
    feed_done(&f);
    return 0;
}

/* How many of all were told of; it ends in time. */
static int look(int limit_ms)
{
    int n = 0;
    int64_t until_ms = b.now_ms + limit_ms;
    leaders_ask(&f, NULL, all, until_ms, &from, ends);
    assert_true(b.now_ms <= until_ms);
    assert_int_equal(b.n_told, 0);
    assert_in_range(from, 0, N - 1);
    for (int i = 0; i < N; i++) {
        bool told = ends[i].low == 2 && ends[i].high == 7 && ends[i].start == 2;
        assert_true(told || (ends[i].low == -1 && ends[i].high == -1 && ends[i].start == -1));
        reached[i] = reached[i] || told;
        n += told;
    }
    return n;
}

static int n_reached(void)
{
    int n = 0;
    for (int i = 0; i < N; i++)
        n += reached[i];
    return n;
}

/* No look reaches all of them: each goes on where the last one ended. */
static void of_slow_brokers_the_last_partitions_are_reached_too(void **state)
{
    (void)state;
    int n_looks = 0;
    for (; n_reached() < N && n_looks < MOST_LOOKS; n_looks++)
        assert_true(look(LOOK_MS) < N);
    assert_int_equal(n_reached(), N);
}

/* Of a list one partition is refused, and with it all: each is then asked about by itself, and no look has time for all of a topic's. */
static void of_slow_brokers_that_refuse_a_list_the_last_partitions_are_reached_too(void **state)
{
    (void)state;
    int n_looks = 0;
    b.refuse_lists = true;
    for (; n_reached() < N && n_looks < MOST_LOOKS; n_looks++)
        assert_true(look(LOOK_MS) < N_PARTITIONS);
    assert_int_equal(n_reached(), N);
}

static void one_silent_broker_is_waited_for_once_and_the_others_are_reached(void **state)
{
    (void)state;
    b.silent[1] = true;
    assert_int_equal(look(ENDLESS_MS), N - 2 * N_PARTITIONS);
    assert_int_equal(b.n_in_vain, 1);
    assert_int_equal(from, 0);
}

static void behind_as_many_silent_brokers_as_a_look_waits_for_the_next_one_begins(void **state)
{
    (void)state;
    b.silent[0] = b.silent[1] = b.silent[2] = true;
    assert_int_equal(look(ENDLESS_MS), 0);
    assert_int_equal(b.n_in_vain, 3);
    assert_int_equal(from, 3 * N_PARTITIONS);
    assert_int_equal(look(ENDLESS_MS), 2 * N_PARTITIONS);
}

/* There is no time to find more than one silent one. */
static void behind_one_that_took_a_whole_look_the_next_one_begins(void **state)
{
    (void)state;
    b.silent[0] = true;
    assert_int_equal(look(LOOK_MS), 0);
    assert_int_equal(from, N_PARTITIONS);
    assert_int_equal(look(LOOK_MS), 2 * N_PARTITIONS);
}

static void where_nobody_told_of_a_topic_the_next_look_begins(void **state)
{
    (void)state;
    from = N_PARTITIONS;
    b.none = true;
    assert_int_equal(look(ENDLESS_MS), 0);
    assert_int_equal(b.now_ms, 1000 + VAIN_MS); /* nobody is asked about another one */
    assert_int_equal(from, N_PARTITIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_slow_brokers_the_last_partitions_are_reached_too, setup, teardown),
        cmocka_unit_test_setup_teardown(
            of_slow_brokers_that_refuse_a_list_the_last_partitions_are_reached_too, setup, teardown),
        cmocka_unit_test_setup_teardown(one_silent_broker_is_waited_for_once_and_the_others_are_reached,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(behind_as_many_silent_brokers_as_a_look_waits_for_the_next_one_begins,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(behind_one_that_took_a_whole_look_the_next_one_begins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(where_nobody_told_of_a_topic_the_next_look_begins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
