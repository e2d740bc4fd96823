/* A partition that has no leader when the subscription begins: the others are read at their full speed meanwhile, and it is begun when it is led. A broker that leads
 * many and does not answer. And no broker at all: it is said, until there is one. The brokers are librdkafka's mock brokers, in this program, which give up partitions,
 * are silent, and are down, when told to. */
#include "delivered.h"
#include "stage.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { THE_BROKER = 1, THE_OTHER = 2, ALL_BROKERS = -1, EVENTS = 30 };
enum { MANY_KEYS = 300 }; /* so many that each of eight threads has some */
/* A worker that waits 3 s in vain for each of the half of them is not done before its test is given up. */
enum { MANY = 100, SILENCE_MS = 600000, SLOWNESS_MS = 2000 };

static rd_kafka_t *host, *producer;
static rd_kafka_mock_cluster_t *mock;

static int open_stage(void **state)
{
    (void)state;
    host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    assert_non_null(host);
    mock = rd_kafka_mock_cluster_new(host, 2);
    assert_non_null(mock);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock), NULL, 0);
    delivered_watch(conf);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    assert_non_null(producer);
    stage_server = pg_fixture_new(NULL);
    stage_kafka = kafka_fixture_at(rd_kafka_mock_cluster_bootstraps(mock));
    return 0;
}

static int close_stage(void **state)
{
    stage_group_teardown(state);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
    return 0;
}

static void set_leader(const stage *s, int32_t partition, int32_t broker)
{
    assert_int_equal(rd_kafka_mock_partition_set_leader(mock, s->topic, partition, broker),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

static int setup_partitions(void **state, int n)
{
    char *topic = kafka_fixture_new_name("orders");
    assert_int_equal(rd_kafka_mock_topic_create(mock, topic, n, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    *state = stage_new(topic);
    return 0;
}

static int setup(void **state)
{
    return setup_partitions(state, 2);
}

static int setup_many(void **state)
{
    return setup_partitions(state, MANY);
}

static void produce_to(const stage *s, int32_t partition)
{
    static const char value[] = "v";
    const rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = s->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(intptr_t)value, 1}},
    };
    assert_null(rd_kafka_produceva(producer, record, sizeof record / sizeof record[0]));
    delivered_all(producer, STAGE_DEADLINE_MS);
}

/* Takes its time: all of them take several looks at the partition without a leader. */
static pbus_outcome slow_insert(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pg_run(tx, "SELECT pg_sleep(0.1)");
    return stage_insert(event, tx, arg);
}

static void the_others_are_read_while_a_partition_has_no_leader(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, slow_insert);
    set_leader(s, 1, -1);
    stage_start(s, &sub, 1);
    for (int i = 1; i <= EVENTS; i++) {
        produce_to(s, 0);
        stage_expect_soon(s, i, "SELECT count(*) FROM effect WHERE partition = 0");
    }
    assert_int_equal(stage_notices(s, PBUS_NOTICE_ASSIGNED), 1); /* what was read was never begun anew */
    set_leader(s, 1, THE_BROKER);
    produce_to(s, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect WHERE partition = 1");
    produce_to(s, 0);
    stage_expect_soon(s, EVENTS + 2, "SELECT count(*) FROM effect");
    assert_true(stage_notices(s, PBUS_NOTICE_ASSIGNED) >= 2);
    stage_stop(s);
    assert_int_equal(pg_number(s->conn, "SELECT sum(next_offset)::int FROM postbus_inbox.position"),
                     EVENTS + 2);
}

static void be_silent(int32_t broker, int silence_ms)
{
    assert_int_equal(rd_kafka_mock_broker_set_rtt(mock, broker, silence_ms), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Half of the others are the other's. */
static void one_broker_leads_the_first_and_the_group(const stage *s)
{
    char group[300];
    set_leader(s, 0, THE_BROKER);
    snprintf(group, sizeof group, "%s.main", s->topic);
    assert_int_equal(rd_kafka_mock_coordinator_set(mock, "group", group, THE_BROKER),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

typedef struct assigned {
    stage *s;
    int n_before;
} assigned;

static bool is_assigned_anew(void *arg)
{
    const assigned *a = arg;
    return stage_notices(a->s, PBUS_NOTICE_ASSIGNED) > a->n_before;
}

static void expect_assigned_anew(stage *s, int n_before)
{
    assigned a = {s, n_before};
    assert_true(wait_until(is_assigned_anew, &a, STAGE_DEADLINE_MS));
}

static void a_broker_that_does_not_answer_is_not_waited_for_by_each_of_its_partitions(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    one_broker_leads_the_first_and_the_group(s);
    stage_start(s, &sub, 1);
    produce_to(s, 0);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    be_silent(THE_OTHER, SILENCE_MS);
    int n_assigned = stage_notices(s, PBUS_NOTICE_ASSIGNED);
    pg_end_backends(s->conn, "application_name LIKE 'postbus %'");
    expect_assigned_anew(s, n_assigned); /* before that, what comes is still read as it was */
    produce_to(s, 0);
    stage_expect_soon(s, 2, "SELECT count(*) FROM effect");
    be_silent(THE_OTHER, 0);
    stage_stop(s);
}

/* It leads half of them: one after another they would not be asked about before the test is given up. */
static void a_broker_that_answers_slowly_is_not_waited_for_by_each_of_its_partitions(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    one_broker_leads_the_first_and_the_group(s);
    be_silent(THE_OTHER, SLOWNESS_MS);
    stage_start(s, &sub, 1);
    produce_to(s, 0);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_expect_soon(s, MANY, "SELECT count(*) FROM postbus_inbox.position");
    be_silent(THE_OTHER, 0);
    stage_stop(s);
}

typedef struct readiness {
    pbus_worker *worker;
    bool wanted;
    const char *says;
    char last[400];
} readiness;

static bool is_so(void *arg)
{
    readiness *r = arg;
    bool ready = pbus_worker_is_ready(r->worker, r->last, sizeof r->last);
    return ready == r->wanted && strstr(r->last, r->says);
}

static void expect_ready(const stage *s, bool wanted, const char *says)
{
    readiness r = {.worker = s->worker, .wanted = wanted, .says = says};
    if (!wait_until(is_so, &r, STAGE_DEADLINE_MS))
        fail_msg("it never said \"%s\", but: %s", says, r.last);
}

static void expect_away_and_back(stage *s)
{
    expect_ready(s, true, "main: reading");
    assert_int_equal(rd_kafka_mock_broker_set_down(mock, ALL_BROKERS), RD_KAFKA_RESP_ERR_NO_ERROR);
    expect_ready(s, false, "no broker answers");
    assert_int_equal(rd_kafka_mock_broker_set_up(mock, ALL_BROKERS), RD_KAFKA_RESP_ERR_NO_ERROR);
    expect_ready(s, true, "main: reading");
    stage_stop(s);
}

static void a_broker_that_was_away_is_ready_again(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    stage_start(s, &sub, 1);
    expect_away_and_back(s);
}

static pbus_worker_options options_without_a_database(stage *s, const pbus_subscription *sub)
{
    pbus_worker_options options = stage_options(s, sub, 1);
    options.conninfo = NULL;
    options.positions = PBUS_POSITIONS_KAFKA;
    return options;
}

static void without_a_database_too(void **state)
{
    stage *s = *state;
    pbus_subscription sub = stage_subscription(s, stage_insert);
    pbus_worker_options options = options_without_a_database(s, &sub);
    assert_int_equal(pbus_worker_start(&options, &s->worker, &s->err), PBUS_OK);
    expect_away_and_back(s);
}

/* ---- a topic of dead letters that takes nothing ---- */

static pbus_outcome reject(const pbus_delivery *event, PGconn *tx, void *arg)
{
    stage *s = arg;
    (void)event;
    (void)tx;
    pthread_mutex_lock(&s->lock);
    s->n_at_gate++;
    pthread_mutex_unlock(&s->lock);
    return pbus_dead("nobody wants it");
}

typedef struct threshold {
    stage *s;
    int *counter, least;
} threshold;

static bool is_reached(void *arg)
{
    const threshold *t = arg;
    pthread_mutex_lock(&t->s->lock);
    bool is = *t->counter >= t->least;
    pthread_mutex_unlock(&t->s->lock);
    return is;
}

static void expect_at_least(stage *s, int least, int *counter, const char *what)
{
    if (!wait_until(is_reached, &(threshold){s, counter, least}, STAGE_DEADLINE_MS))
        fail_msg("%s: %d instead of %d", what, *counter, least);
}

/* So many threads, each of which has a dead letter that nobody takes. */
static pbus_worker_options begin_in_vain(stage *s, pbus_subscription *sub, int n_threads, char **out_graves)
{
    *out_graves = kafka_fixture_new_name("graves");
    assert_int_equal(rd_kafka_mock_topic_create(mock, *out_graves, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_partition_set_leader(mock, *out_graves, 0, -1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    *sub = stage_subscription(s, reject);
    sub->n_threads = n_threads;
    sub->dead_letter_topic = *out_graves;
    pbus_worker_options options = options_without_a_database(s, sub);
    stage_produce_many(s->topic, MANY_KEYS, MANY_KEYS);
    assert_int_equal(pbus_worker_start(&options, &s->worker, &s->err), PBUS_OK);
    expect_at_least(s, n_threads, &s->n_at_gate, "events were handled");
    return options;
}

/* One after another they would take longer than the stop may. */
static void a_stop_does_not_wait_for_dead_letters_one_after_another(void **state)
{
    stage *s = *state;
    char *graves;
    pbus_subscription sub;
    begin_in_vain(s, &sub, 8, &graves);
    stage_stop(s);
    free(graves);
}

/* What another member tells, and no database. */
static stage *new_member(const stage *s)
{
    stage *other = calloc(1, sizeof *other);
    pthread_mutex_init(&other->lock, NULL);
    other->topic = strdup(s->topic);
    return other;
}

static void a_rebalance_does_not_wait_until_dead_letters_are_taken(void **state)
{
    stage *s = *state, *other = new_member(s);
    void *its = other;
    char *graves;
    pbus_subscription sub;
    pbus_worker_options options = begin_in_vain(s, &sub, 2, &graves);
    expect_at_least(s, 1, &s->n_notices[PBUS_NOTICE_ASSIGNED], "assigned");
    options.notice_arg = other;
    assert_int_equal(pbus_worker_start(&options, &other->worker, &other->err), PBUS_OK);
    expect_at_least(other, 1, &other->n_notices[PBUS_NOTICE_ASSIGNED], "the other was assigned");
    expect_at_least(s, 2, &s->n_notices[PBUS_NOTICE_ASSIGNED], "assigned anew");
    stage_stop(other);
    stage_stop(s);
    stage_teardown(&its);
    free(graves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_others_are_read_while_a_partition_has_no_leader, setup,
                                        stage_teardown),
        cmocka_unit_test_setup_teardown(
            a_broker_that_does_not_answer_is_not_waited_for_by_each_of_its_partitions, setup_many,
            stage_teardown),
        cmocka_unit_test_setup_teardown(
            a_broker_that_answers_slowly_is_not_waited_for_by_each_of_its_partitions, setup_many,
            stage_teardown),
        cmocka_unit_test_setup_teardown(a_broker_that_was_away_is_ready_again, setup, stage_teardown),
        cmocka_unit_test_setup_teardown(without_a_database_too, setup, stage_teardown),
        cmocka_unit_test_setup_teardown(a_stop_does_not_wait_for_dead_letters_one_after_another, setup,
                                        stage_teardown),
        cmocka_unit_test_setup_teardown(a_rebalance_does_not_wait_until_dead_letters_are_taken, setup,
                                        stage_teardown),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}
