/* Shipping against librdkafka's mock broker, which refuses what it is told to: what was not written is never taken for published. */
#include "ship.h"

#include "clock.h"
#include "cmocka_all.h"
#include "made_page.h"
#include "wait_until.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOON_MS = 120000, N_ROWS = 3, PRODUCE = 0, RTT_MS = 300 };

static config_pair five_in_flight[] = {
    {(char[]){"test.mock.num.brokers"}, (char[]){"1"}, NULL},
    {(char[]){"max.in.flight.requests.per.connection"}, (char[]){"5"}, NULL},
    {(char[]){"enable.gapless.guarantee"}, (char[]){"false"}, NULL},
    {(char[]){"batch.num.messages"}, (char[]){"1"}, NULL},
    {(char[]){"compression.codec"}, (char[]){"none"}, NULL},
};

/* The relay's own settings otherwise. */
static config_pair one_in_flight[] = {
    {(char[]){"test.mock.num.brokers"}, (char[]){"1"}, NULL},
    {(char[]){"batch.num.messages"}, (char[]){"1"}, NULL},
};

static atomic_int n_sockets;

/* Before the C library's: counts what librdkafka's threads open, one for each connection that they try. */
int socket(int domain, int type, int protocol)
{
    n_sockets++;
    return (int)syscall(SYS_socket, domain, type, protocol);
}

typedef struct stage {
    config cfg;
    ship ship;
    page *page;
    size_t n_acked;
} stage;

static void on_acked(void *arg, row *r)
{
    stage *s = arg;
    r->state = ROW_ACKED;
    s->n_acked++;
}

static int open_with(void **state, config_pair *kafka, size_t n_kafka)
{
    stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->cfg = (config){.brokers = (char[]){"x"}, .kafka = kafka, .n_kafka = n_kafka};
    if (!ship_init(&s->ship, &s->cfg, on_acked, NULL, s))
        fail_msg("%s", s->ship.reason);
    gate_open(s->ship.gate, CLOCK_NEVER);
    assert_true(record_maker_add_identity(&s->ship.maker, 0, "aabbccdd-eeff-4123-9456-789abcdef012"));
    assert_true(ship_start(&s->ship, clock_now_us()));
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(s->ship.producer);
    assert_non_null(mock);
    assert_int_equal(rd_kafka_mock_topic_create(mock, "t", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    s->page = made_page(1, N_ROWS);
    *state = s;
    return 0;
}

static int open_stage(void **state)
{
    return open_with(state, five_in_flight, sizeof five_in_flight / sizeof five_in_flight[0]);
}

static int open_gapless_stage(void **state)
{
    return open_with(state, one_in_flight, sizeof one_in_flight / sizeof one_in_flight[0]);
}

static int close_stage(void **state)
{
    stage *s = *state;
    ship_done(&s->ship);
    page_free(s->page);
    free(s);
    return 0;
}

static void know_the_topic(stage *s, rd_kafka_topic_t *handle)
{
    const struct rd_kafka_metadata *metadata;
    assert_int_equal(rd_kafka_metadata(s->ship.producer, 0, handle, &metadata, SOON_MS),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_metadata_destroy(metadata);
}

/* The first request comes to a broker that is not the leader; those behind it are taken. */
static void refuse_the_first(stage *s)
{
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(s->ship.producer);
    rd_kafka_mock_broker_push_request_error_rtts(
        mock, 1, PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RTT_MS, RD_KAFKA_RESP_ERR_NO_ERROR,
        RTT_MS, RD_KAFKA_RESP_ERR_NO_ERROR, RTT_MS);
}

static bool all_reported(void *arg)
{
    stage *s = arg;
    ship_serve(&s->ship, clock_now_us());
    for (int i = 0; i < N_ROWS; i++)
        if (s->page->rows[i].state == ROW_SENT)
            return false;
    return true;
}

/* librdkafka says "delivered" of the first record, for want of an offset; it was never written. */
static void a_delivery_without_an_offset_is_not_believed(void **state)
{
    stage *s = *state;
    first_flight none = {.acked = true};
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(s->ship.producer);
    rd_kafka_topic_conf_set_opaque(conf, &none);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(s->ship.producer, "t", conf);
    know_the_topic(s, handle);
    refuse_the_first(s);
    for (int i = 0; i < N_ROWS; i++) {
        assert_int_equal(
            rd_kafka_produce(handle, 0, RD_KAFKA_MSG_F_COPY, (char[]){"v"}, 1, NULL, 0, &s->page->rows[i]),
            0);
        s->page->rows[i].state = ROW_SENT;
    }
    assert_true(wait_until(all_reported, s, SOON_MS));
    assert_int_equal(s->page->rows[0].state, ROW_WAITING);
    assert_true(s->ship.broken);
    assert_non_null(strstr(s->ship.reason, "no offset"));
    rd_kafka_topic_destroy(handle);
}

static bool is_ready(void *arg)
{
    stage *s = arg;
    topic_table_ask(&s->ship.topics, s->ship.producer, s->ship.queue, clock_now_us());
    ship_serve(&s->ship, clock_now_us());
    return topic_find(&s->ship.topics, "t", 1)->state == TOPIC_READY;
}

static bool all_acknowledged(void *arg)
{
    stage *s = arg;
    topic *t = topic_find(&s->ship.topics, "t", 1);
    ship_serve(&s->ship, clock_now_us());
    for (int i = 0; i < N_ROWS; i++) {
        row *r = &s->page->rows[i];
        page_event e = page_read(s->page, i);
        if (r->state == ROW_WAITING && ship_row(&s->ship, t, r, &e, false) != SHIP_SENT)
            break;
    }
    return s->n_acked == N_ROWS;
}

/* With as many requests in flight, and the same refusal: the first record travels alone, so nothing is taken before it. */
static void the_first_record_of_a_partition_travels_alone(void **state)
{
    stage *s = *state;
    assert_true(wait_until(is_ready, s, SOON_MS));
    refuse_the_first(s);
    all_acknowledged(s);
    assert_int_equal(s->page->rows[0].state, ROW_SENT);
    assert_int_equal(s->page->rows[1].state, ROW_WAITING);
    assert_true(wait_until(all_acknowledged, s, SOON_MS));
    assert_false(s->ship.broken);
    for (int i = 0; i < N_ROWS; i++)
        assert_int_equal(s->page->rows[i].offset, i);
}

/* The first request with records meets the error, and all that was handed over is reported. */
static void break_with(stage *s, rd_kafka_resp_err_t err)
{
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(s->ship.producer);
    assert_true(wait_until(is_ready, s, SOON_MS));
    rd_kafka_mock_push_request_errors(mock, PRODUCE, 1, err);
    all_acknowledged(s);
    assert_true(wait_until(all_reported, s, SOON_MS));
    assert_true(s->ship.broken);
}

static void a_refusal_for_good_makes_suspects_and_costs_a_producer_but_no_pause(void **state)
{
    stage *s = *state;
    break_with(s, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    for (int i = 0; i < N_ROWS; i++)
        assert_int_equal(s->page->rows[i].state, ROW_WAITING);
    page_event e = page_read(s->page, 1);
    assert_int_equal(ship_row(&s->ship, topic_find(&s->ship.topics, "t", 1), &s->page->rows[1], &e, false),
                     SHIP_WAIT);
    ship_reset(&s->ship, 100, clock_now_us());
    assert_null(s->ship.producer);
    assert_true(s->page->rows[0].suspect);
    assert_true(ship_start(&s->ship, clock_now_us()));
}

/* A broker may have written it; and of the thousands in a request at most one is to blame. */
static void a_refusal_without_a_reason_doubts_the_topic_and_no_record(void **state)
{
    stage *s = *state;
    break_with(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_false(s->page->rows[0].suspect);
    assert_true(topic_find(&s->ship.topics, "t", 1)->doubted);
    assert_int_equal(s->ship.n_doubtful, 1); /* the first record of a partition travels alone */
}

static bool is_fatal(void *arg)
{
    char why[256];
    return rd_kafka_fatal_error(arg, why, sizeof why) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The next record is not taken, before the report of the first is. */
static void a_fatal_error_is_told_of_no_record_but_the_one_that_failed(void **state)
{
    stage *s = *state;
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(s->ship.producer);
    assert_true(wait_until(is_ready, s, SOON_MS));
    topic *t = topic_find(&s->ship.topics, "t", 1);
    t->first.acked = true;
    rd_kafka_mock_push_request_errors(mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    page_event e = page_read(s->page, 0);
    assert_int_equal(ship_row(&s->ship, t, &s->page->rows[0], &e, false), SHIP_SENT);
    assert_true(wait_until(is_fatal, s->ship.producer, SOON_MS));
    e = page_read(s->page, 1);
    assert_int_equal(ship_row(&s->ship, t, &s->page->rows[1], &e, false), SHIP_WAIT);
    assert_true(s->ship.broken);
    assert_non_null(strstr(s->ship.reason, "fatal error"));
    assert_false(s->page->rows[1].suspect);
    ship_reset(&s->ship, 100, clock_now_us());
    assert_true(s->page->rows[0].suspect);
    assert_false(s->page->rows[1].suspect);
    assert_true(ship_start(&s->ship, clock_now_us())); /* at once: who refuses a record is well */
}

static void after_an_error_that_says_nothing_of_a_record_there_is_a_pause(void **state)
{
    stage *s = *state;
    break_with(s, RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS);
    assert_false(s->page->rows[0].suspect);
    ship_reset(&s->ship, 100, clock_now_us());
    assert_false(ship_start(&s->ship, clock_now_us())); /* not before a while */
}

static void a_reset_leaves_no_row_with_the_producer(void **state)
{
    stage *s = *state;
    assert_true(wait_until(is_ready, s, SOON_MS));
    refuse_the_first(s);
    all_acknowledged(s);
    assert_int_equal(s->page->rows[0].state, ROW_SENT);
    ship_reset(&s->ship, 0, clock_now_us());
    for (int i = 0; i < N_ROWS; i++)
        assert_int_not_equal(s->page->rows[i].state, ROW_SENT);
    assert_int_equal(topic_find(&s->ship.topics, "t", 1)->state, TOPIC_UNKNOWN);
}

static void turn(stage *s)
{
    ship_serve(&s->ship, clock_now_us());
    ship_ask(&s->ship, clock_now_us());
    ship_look(&s->ship, clock_now_us());
}

static bool is_down(void *arg)
{
    stage *s = arg;
    turn(s);
    return s->ship.down_logged;
}

static bool is_up(void *arg)
{
    return !is_down(arg);
}

typedef struct looks {
    stage *stage;
    int64_t looked_at_us;
    int n;
} looks;

static bool looked(void *arg)
{
    looks *l = arg;
    turn(l->stage);
    if (l->stage->ship.look_at_us != l->looked_at_us)
        l->n--;
    l->looked_at_us = l->stage->ship.look_at_us;
    return l->n == 0;
}

static void brokers_that_are_down_are_asked_now_and_then(void **state)
{
    enum { N_LOOKS = 8, SOME = 500 };
    stage *s = *state;
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(s->ship.producer);
    assert_true(wait_until(is_ready, s, SOON_MS));
    rd_kafka_mock_broker_set_down(mock, 1);
    assert_true(wait_until(is_down, s, SOON_MS));
    topic_find(&s->ship.topics, "unknown", strlen("unknown"));
    n_sockets = 0;
    looks l = {.stage = s, .looked_at_us = s->ship.look_at_us, .n = N_LOOKS};
    assert_true(wait_until(looked, &l, SOON_MS));
    assert_in_range(n_sockets, 1, SOME);
    rd_kafka_mock_broker_set_up(mock, 1);
    assert_true(wait_until(is_up, s, SOON_MS));
}

static void an_acknowledgement_tells_of_a_broker(void **state)
{
    stage *s = *state;
    assert_true(wait_until(is_ready, s, SOON_MS));
    s->ship.down_logged = true;
    assert_true(wait_until(all_acknowledged, s, SOON_MS));
    assert_false(s->ship.down_logged);
}

/* Without a lane nothing else would end it. */
static void an_acknowledgement_ends_what_is_remembered_of_a_refusal(void **state)
{
    stage *s = *state;
    assert_true(wait_until(is_ready, s, SOON_MS));
    topic *t = topic_find(&s->ship.topics, "t", 1);
    t->refusal_logged = t->head_alone = true;
    assert_true(wait_until(all_acknowledged, s, SOON_MS));
    assert_false(t->refusal_logged);
    assert_false(t->head_alone);
}

static void a_setting_that_librdkafka_refuses_is_refused_with_its_reason(void **state)
{
    (void)state;
    config_pair wrong[] = {{(char[]){"linger.ms"}, (char[]){"soon"}, NULL}};
    config cfg = {.brokers = (char[]){"x"}, .kafka = wrong, .n_kafka = 1};
    ship s;
    assert_false(ship_init(&s, &cfg, on_acked, NULL, NULL));
    assert_int_not_equal(s.reason[0], 0);
    ship_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_delivery_without_an_offset_is_not_believed, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(the_first_record_of_a_partition_travels_alone, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(a_refusal_for_good_makes_suspects_and_costs_a_producer_but_no_pause,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_refusal_without_a_reason_doubts_the_topic_and_no_record, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(a_fatal_error_is_told_of_no_record_but_the_one_that_failed,
                                        open_gapless_stage, close_stage),
        cmocka_unit_test_setup_teardown(after_an_error_that_says_nothing_of_a_record_there_is_a_pause,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_reset_leaves_no_row_with_the_producer, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(brokers_that_are_down_are_asked_now_and_then, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(an_acknowledgement_tells_of_a_broker, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(an_acknowledgement_ends_what_is_remembered_of_a_refusal, open_stage,
                                        close_stage),
        cmocka_unit_test(a_setting_that_librdkafka_refuses_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
