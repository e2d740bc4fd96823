/* Rows that are sent alone, against librdkafka's mock broker: who is to blame for an error that does not say so, and what goes on meanwhile. */
#include "alone.h"

#include "clock.h"
#include "cmocka_all.h"
#include "made_page.h"
#include "refusal.h"
#include "wait_until.h"

#include <librdkafka/rdkafka_mock.h>
#include <string.h>

enum {
    SOON_MS = 120000,
    N_ROWS = 12,
    PRODUCE = 0,
    KEYLESS = N_ROWS - 1,
    LANE_TIMEOUT_MS = 1000,
    STEP_US = 200000,
    REST_US = 100000, /* how long a key rests that failed */
    N_OTHERS = 200,
    RETRIES = 10
};

typedef struct stage {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *mock;
    config cfg;
    ship ship;
    alone alone;
    batch_queue queue;
    page *page;      /* as of a lane: nothing before its rows has to come back first */
    int64_t told_us; /* the time that the room is told */
    int refusal;     /* of the first row; -1: it was not refused */
    int n_of_topic;  /* refusals that are their topic's */
    int roams_over;  /* so many partitions refuse a row in turn; 0: the one that does */
    int n_failed, n_acked;
} stage;

static void on_acked(void *arg, row *r)
{
    stage *s = arg;
    alone_acked(&s->alone, r);
    r->state = ROW_ACKED;
    s->n_acked++;
}

static void on_alone_failed(void *arg, row *r, int refusal)
{
    stage *s = arg;
    if (s->roams_over > 0)
        r->partition = s->n_failed % s->roams_over;
    s->n_failed++;
    alone_failed(&s->alone, r, refusal, s->told_us);
}

static bool never_aside(void *arg, topic *t, row *r, const page_event *e, uint64_t hash)
{
    (void)arg, (void)t, (void)r, (void)e, (void)hash;
    return false;
}

static void refused(void *arg, topic *t, row *r, uint64_t hash, int refusal)
{
    (void)t, (void)hash;
    stage *s = arg;
    r->state = ROW_PARKED;
    s->refusal = refusal;
    s->n_of_topic += refusal_get(refusal).of_topic;
}

static bool is_ready(void *arg)
{
    stage *s = arg;
    topic_table_ask(&s->ship.topics, s->ship.producer, s->ship.queue, clock_now_us());
    ship_serve(&s->ship, clock_now_us());
    return topic_find(&s->ship.topics, "t", 1)->state == TOPIC_READY;
}

/* The topic is the first broker's. */
static int open_stage_with(void **state, int n_brokers)
{
    stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    char why[256];
    s->host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, why, sizeof why);
    assert_non_null(s->host);
    s->mock = rd_kafka_mock_cluster_new(s->host, n_brokers);
    assert_non_null(s->mock);
    assert_int_equal(rd_kafka_mock_topic_create(s->mock, "t", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_partition_set_leader(s->mock, "t", 0, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    s->cfg = (config){.brokers = strdup(rd_kafka_mock_cluster_bootstraps(s->mock)),
                      .lane_timeout_ms = LANE_TIMEOUT_MS};
    s->refusal = -1;
    s->told_us = 1;
    if (!ship_init(&s->ship, &s->cfg, on_acked, on_alone_failed, s))
        fail_msg("%s", s->ship.reason);
    gate_open(s->ship.gate, CLOCK_NEVER);
    assert_true(record_maker_add_identity(&s->ship.maker, 0, "aabbccdd-eeff-4123-9456-789abcdef012"));
    assert_true(ship_start(&s->ship, clock_now_us()));
    *state = s;
    assert_true(batch_queue_init(&s->queue, (position){snapshot_parse("10:10:"), 10, 0}));
    alone_start(&s->alone, &s->ship, &s->queue);
    s->alone.aside = never_aside;
    s->alone.refused = refused;
    s->alone.arg = s;
    made_row rows[N_ROWS];
    for (int i = 0; i < N_ROWS; i++) {
        rows[i] = made_row_plain(i + 1);
        rows[i].key = &"abcdefghijkl"[i];
    }
    rows[KEYLESS].key_size = -1;
    s->page = page_new(made_result(rows, N_ROWS));
    assert_non_null(s->page);
    assert_true(wait_until(is_ready, s, SOON_MS));
    s->page->lane = topic_find(&s->ship.topics, "t", 1);
    return 0;
}

static int open_stage(void **state)
{
    return open_stage_with(state, 1);
}

static int open_stage_of_two(void **state)
{
    return open_stage_with(state, 2);
}

static int close_stage(void **state)
{
    stage *s = *state;
    ship_done(&s->ship);
    alone_drop(&s->alone);
    batch_queue_done(&s->queue);
    page_free(s->page);
    rd_kafka_mock_cluster_destroy(s->mock);
    rd_kafka_destroy(s->host);
    free(s->cfg.brokers);
    free(s);
    return 0;
}

static void add_of(stage *s, page *p, int i)
{
    page_event e = page_read(p, i);
    row *r = &p->rows[i];
    topic *t = topic_find(&s->ship.topics, e.topic, e.topic_size);
    assert_true(alone_add(&s->alone, t, r, alone_hash(r, &e)));
}

static void add(stage *s, int i)
{
    add_of(s, s->page, i);
}

static bool all_reported(void *arg)
{
    stage *s = arg;
    ship_serve(&s->ship, clock_now_us());
    return s->alone.n_in_flight == 0;
}

static void push_error(stage *s, rd_kafka_resp_err_t err)
{
    rd_kafka_mock_broker_push_request_error_rtts(s->mock, 1, PRODUCE, 1, err, 0);
}

/* All that waits is sent once; the first of it meets an error, where err is one. */
static void send_once(stage *s, rd_kafka_resp_err_t err)
{
    if (err)
        push_error(s, err);
    s->told_us += STEP_US;
    alone_step(&s->alone, s->told_us);
    assert_true(wait_until(all_reported, s, SOON_MS));
}

/* What waits is sent, and meets the error; then another, which does not. */
static void send_before(stage *s, int i, rd_kafka_resp_err_t err)
{
    push_error(s, err);
    s->told_us += STEP_US;
    alone_step(&s->alone, s->told_us);
    add(s, i);
    alone_step(&s->alone, s->told_us);
    assert_true(wait_until(all_reported, s, SOON_MS));
}

static void fails_again_and_again_while_its_partition_takes_others(void **state)
{
    stage *s = *state;
    add(s, 0);
    for (int i = 1; i < N_ROWS && s->refusal < 0; i++) {
        send_before(s, i, RD_KAFKA_RESP_ERR_UNKNOWN);
        assert_int_equal(s->n_acked, i);
    }
    assert_true(s->refusal >= 0);
    assert_int_equal(s->told_us, 1 + 6 * STEP_US); /* LANE_TIMEOUT_MS after the first time */
    assert_false(refusal_get(s->refusal).of_topic);
    assert_string_equal(refusal_get(s->refusal).reason, "broker_error");
    assert_int_equal(refusal_get(s->refusal).err, RD_KAFKA_RESP_ERR_UNKNOWN);
}

static void where_nothing_is_taken_the_topic_is_to_blame(void **state)
{
    stage *s = *state;
    add(s, 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(s->refusal, -1);
        send_once(s, RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT);
    }
    assert_true(s->refusal >= 0);
    assert_true(refusal_get(s->refusal).of_topic);
    assert_int_equal(refusal_get(s->refusal).err, RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT);
}

/* Nothing else of the topic comes, and nothing waits for it: whoever redrove them hears of it. */
static void what_is_redriven_by_itself_is_to_blame(void **state)
{
    stage *s = *state;
    s->page->lane = s; /* not its topic's */
    add(s, 0);
    add(s, 1);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(s->refusal, -1);
        push_error(s, RD_KAFKA_RESP_ERR_UNKNOWN);
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    }
    assert_true(s->refusal >= 0);
    assert_int_equal(s->n_of_topic, 0);
    assert_int_equal(s->page->rows[0].state, ROW_PARKED);
    assert_int_equal(s->page->rows[1].state, ROW_PARKED);
}

/* Of what comes to the partition it takes a part and refuses more: no record is to blame. */
static void where_most_are_refused_the_topic_is_to_blame(void **state)
{
    stage *s = *state;
    flights *f = &topic_find(&s->ship.topics, "t", 1)->flights;
    add(s, 0);
    for (int i = 0; i < N_ROWS && s->refusal < 0; i++) {
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
        flights_refused(f, 0, true, s->told_us);
        flights_took(f, 0, i % 2 == 0);
    }
    assert_int_equal(s->told_us, 1 + 6 * STEP_US);
    assert_true(refusal_get(s->refusal).of_topic);
}

/* A record that comes late finds out what the partition has done to others. */
static void the_time_is_the_partitions_where_it_takes_nothing(void **state)
{
    stage *s = *state;
    flights_refused(&topic_find(&s->ship.topics, "t", 1)->flights, 0, true, 1);
    s->told_us += LANE_TIMEOUT_MS * 1000;
    add(s, 0);
    send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_true(s->refusal >= 0);
    assert_true(refusal_get(s->refusal).of_topic);
}

/* So does one that was refused before, and then could not be sent for a while. */
static void an_error_that_is_of_no_record_begins_the_time_anew(void **state)
{
    stage *s = *state;
    add(s, 0);
    for (int i = 0; i < 5; i++)
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    send_once(s, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    for (int i = 0; i < 5; i++)
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_int_equal(s->refusal, -1);
    assert_int_equal(s->n_failed, 11);
    send_once(s, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(s->n_acked, 1);
}

static flights *flights_of(stage *s)
{
    return &topic_find(&s->ship.topics, "t", 1)->flights;
}

static void note_taken(stage *s, int32_t partition, int n)
{
    for (int i = 0; i < n; i++)
        flights_took(flights_of(s), partition, true);
}

/* Each partition but the first, and it has taken one since. */
static void note_refused_by_others(stage *s)
{
    for (int i = 1; i < N_ROWS; i++) {
        flights_refused(flights_of(s), i, true, s->told_us);
        note_taken(s, i, 1);
    }
}

static void refuse_the_first_until_that_has_an_end(stage *s)
{
    add(s, 0);
    for (int i = 0; i < N_ROWS && s->refusal < 0; i++)
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_int_equal(s->told_us, 1 + 6 * STEP_US);
    assert_true(s->refusal >= 0);
}

/* What each partition took before it says nothing, be it more than the one has taken that refused it first, or less. */
static void what_roams_and_is_taken_nowhere_has_its_topic_to_blame(void **state)
{
    stage *s = *state;
    s->roams_over = N_ROWS;
    note_refused_by_others(s);
    note_taken(s, 5, 100);
    refuse_the_first_until_that_has_an_end(s);
    assert_true(refusal_get(s->refusal).of_topic);
}

static void what_roams_from_where_most_was_taken_has_its_topic_to_blame(void **state)
{
    stage *s = *state;
    s->roams_over = N_ROWS;
    note_refused_by_others(s);
    note_taken(s, 0, 100);
    refuse_the_first_until_that_has_an_end(s);
    assert_true(refusal_get(s->refusal).of_topic);
}

static void what_roams_while_others_are_taken_is_to_blame(void **state)
{
    stage *s = *state;
    s->roams_over = N_ROWS;
    add(s, 0);
    for (int i = 1; i < N_ROWS && s->refusal < 0; i++) {
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
        note_taken(s, 11, 1);
    }
    assert_int_equal(s->told_us, 1 + 6 * STEP_US);
    assert_true(s->refusal >= 0);
    assert_false(refusal_get(s->refusal).of_topic);
}

/* With a key it goes to one partition, whatever others do. */
static void what_others_take_does_not_excuse_its_partition(void **state)
{
    stage *s = *state;
    add(s, 0);
    for (int i = 0; i < 6; i++) {
        send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
        note_taken(s, 1, 1);
    }
    assert_true(s->refusal >= 0);
    assert_true(refusal_get(s->refusal).of_topic);
}

/* It may go elsewhere the next time. */
static void one_partition_that_takes_nothing_is_not_the_topic_for_what_has_no_key(void **state)
{
    stage *s = *state;
    flights_refused(flights_of(s), 0, true, 1);
    note_taken(s, 1, 1);
    s->told_us += LANE_TIMEOUT_MS * 1000;
    add(s, KEYLESS);
    send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_int_equal(s->refusal, -1);
    send_once(s, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(s->n_acked, 1);
}

/* The other producer is renewed all the time, and each time the rows of the outbox that wait are handed over again. */
static void what_is_given_back_keeps_what_is_known_of_it(void **state)
{
    stage *s = *state;
    s->page->lane = NULL;
    for (int i = 1; i < N_ROWS && s->refusal < 0; i++) {
        s->page->rows[0].clear = s->page->rows[i].clear = true;
        add(s, 0);
        send_before(s, i, RD_KAFKA_RESP_ERR_UNKNOWN);
        alone_rewind(&s->alone);
        assert_false(s->page->rows[0].alone);
    }
    assert_int_equal(s->told_us, 1 + 6 * STEP_US);
    assert_true(s->refusal >= 0);
    assert_false(refusal_get(s->refusal).of_topic);
}

static bool has_come(void *arg)
{
    const stage *s = arg;
    size_t n_left = 1;
    rd_kafka_mock_broker_error_stack_cnt(s->mock, 1, PRODUCE, &n_left);
    return n_left == 0;
}

/* The broker has it, and does not say so. */
static void send_and_take_back(stage *s)
{
    rd_kafka_mock_broker_push_request_error_rtts(s->mock, 1, PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, SOON_MS);
    s->told_us += STEP_US;
    alone_step(&s->alone, s->told_us);
    assert_int_equal(s->alone.n_in_flight, 1);
    assert_true(wait_until(has_come, s, SOON_MS));
    ship_reset_alone(&s->ship, 0);
    assert_int_equal(s->alone.n_in_flight, 0);
    alone_rewind(&s->alone);
}

/* Likewise where the second producer is renewed, and has it on its way. */
static void what_is_taken_back_keeps_what_is_known_of_it(void **state)
{
    stage *s = *state;
    s->page->lane = NULL;
    for (int i = 1; i < N_ROWS && s->refusal < 0; i++) {
        s->page->rows[0].clear = s->page->rows[i].clear = true;
        add(s, 0);
        send_before(s, i, RD_KAFKA_RESP_ERR_UNKNOWN);
        if (s->refusal < 0)
            send_and_take_back(s);
    }
    assert_int_equal(s->told_us, 1 + 9 * STEP_US);
    assert_true(s->refusal >= 0);
    assert_false(refusal_get(s->refusal).of_topic);
}

/* It has had its time in the flow; while it is tried, no wish could be carried out. */
static void the_first_of_a_lane_that_waits_gets_no_time_of_its_own(void **state)
{
    stage *s = *state;
    topic *t = topic_find(&s->ship.topics, "t", 1);
    t->head_alone = true;
    s->page->lane = t;
    add(s, 0);
    send_once(s, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_true(s->refusal >= 0);
    assert_true(refusal_get(s->refusal).of_topic);
    s->page->lane = s;
}

static bool is_down(void *arg)
{
    stage *s = arg;
    ship_serve(&s->ship, clock_now_us());
    return s->ship.down_logged;
}

/* Both producers have been connected: neither says again that all brokers are down, before one was there. */
static void what_is_taken_back_tells_of_no_broker(void **state)
{
    stage *s = *state;
    add(s, 1);
    send_once(s, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_mock_broker_set_down(s->mock, 1);
    assert_true(wait_until(is_down, s, SOON_MS));
    add(s, 0);
    alone_step(&s->alone, s->told_us);
    assert_int_equal(s->alone.n_in_flight, 1);
    ship_recall_alone(&s->ship);
    assert_true(wait_until(all_reported, s, SOON_MS));
    assert_int_equal(s->n_failed, 1);
    assert_true(s->ship.down_logged);
}

/* ---- what goes on meanwhile ---- */

static bool other_is_ready(void *arg)
{
    stage *s = arg;
    is_ready(s);
    return topic_find(&s->ship.topics, "u", 1)->state == TOPIC_READY;
}

/* Of one key, and of a topic of the second broker. */
static page *open_others(stage *s)
{
    static made_row rows[N_OTHERS];
    for (int i = 0; i < N_OTHERS; i++) {
        rows[i] = made_row_plain(N_ROWS + 1 + i);
        rows[i].topic = "u";
    }
    page *others = page_new(made_result(rows, N_OTHERS));
    assert_non_null(others);
    assert_int_equal(rd_kafka_mock_topic_create(s->mock, "u", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_partition_set_leader(s->mock, "u", 0, 2), RD_KAFKA_RESP_ERR_NO_ERROR);
    others->lane = topic_find(&s->ship.topics, "u", 1);
    assert_true(wait_until(other_is_ready, s, SOON_MS));
    return others;
}

/* Its partition lacks replicas, and tells so at once each time. */
static void what_fails_all_the_time_holds_up_no_other_key(void **state)
{
    stage *s = *state;
    page *others = open_others(s);
    add(s, 0);
    for (int i = 0; i < N_OTHERS; i++)
        add_of(s, others, i);
    for (int i = 0; i < N_OTHERS; i++) {
        if (i % (N_OTHERS / RETRIES) == 0) {
            push_error(s, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
            s->told_us += REST_US;
        }
        alone_step(&s->alone, s->told_us);
        assert_true(wait_until(all_reported, s, SOON_MS));
        assert_int_equal(s->n_acked, i + 1);
        assert_int_equal(s->n_failed, 1 + i / (N_OTHERS / RETRIES));
    }
    page_free(others);
}

static void expect_to_rest_until(stage *s, int64_t until_us)
{
    assert_int_equal(alone_step(&s->alone, until_us - 1), until_us);
    assert_int_equal(s->alone.n_in_flight, 0);
    alone_step(&s->alone, until_us);
    assert_int_equal(s->alone.n_in_flight, 1);
    assert_true(wait_until(all_reported, s, SOON_MS));
}

static void fail_and_give_back(stage *s)
{
    s->page->lane = NULL;
    s->page->rows[0].clear = true;
    add(s, 0);
    send_once(s, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    alone_rewind(&s->alone);
}

/* The other producer is thrown away in between: what is sent again a moment after a connection broke may come twice, and then too late. */
static void what_is_given_back_rests_all_the_same(void **state)
{
    stage *s = *state;
    fail_and_give_back(s);
    assert_false(s->page->rows[0].alone);
    assert_false(s->page->rows[0].clear); /* what came before it may have been sent otherwise meanwhile */
    s->page->rows[0].clear = true;
    add(s, 0);
    expect_to_rest_until(s, s->told_us + REST_US);
    assert_int_equal(s->n_acked, 1);
}

/* And is nothing to wait for, should it never come again. */
static void what_is_given_back_and_comes_no_more_is_forgotten(void **state)
{
    stage *s = *state;
    fail_and_give_back(s);
    assert_false(alone_goes_on(&s->alone));
    assert_int_equal(alone_step(&s->alone, s->told_us + REST_US), CLOCK_NEVER);
    add(s, 1);
    page_event e = page_read(s->page, 0);
    assert_false(alone_has(&s->alone, alone_hash(&s->page->rows[0], &e)));
}

/* A broker that fails thousands at once would have to do it again all at once. */
static void keys_that_fail_together_are_tried_again_one_after_the_other(void **state)
{
    stage *s = *state;
    for (int i = 0; i < 3; i++) {
        add(s, i);
        push_error(s, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    }
    send_once(s, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(s->n_failed, 3);
    int64_t until_us = s->told_us + REST_US;
    for (int i = 0; i < 3; i++, until_us = alone_step(&s->alone, until_us))
        expect_to_rest_until(s, until_us);
    assert_int_equal(s->n_acked, 3);
    assert_true(until_us == CLOCK_NEVER);
}

enum { FEW = 255, MANY = 512, IN_FLIGHT = 0, MARKED = 1, N_KEYS = 8 };

/* Rows of the outbox, not of a lane; of some keys. */
static page *open_many(int n)
{
    static made_row rows[MANY];
    for (int i = 0; i < n; i++) {
        rows[i] = made_row_plain(i + 1);
        rows[i].key = &"abcdefgh"[i % N_KEYS];
    }
    page *many = page_new(made_result(rows, n));
    assert_non_null(many);
    return many;
}

static int count_waiting(const page *p, int key)
{
    int n = 0;
    for (int i = key; i < p->n_rows; i += N_KEYS)
        n += p->rows[i].state == ROW_WAITING && !p->rows[i].alone && !p->rows[i].clear;
    return n;
}

/* All are here because their topic was doubted; one key has a row in flight then, and one has a row that has to be alone. */
static page *open_many_after_a_doubt(stage *s, int n)
{
    page *many = open_many(n);
    topic *t = topic_find(&s->ship.topics, "t", 1);
    many->rows[IN_FLIGHT].clear = true;
    many->rows[N_KEYS + MARKED].suspect = true;
    for (int i = 0; i < n; i++)
        add_of(s, many, i);
    topic_doubt(t, 1);
    alone_step(&s->alone, ++s->told_us);
    assert_int_equal(s->alone.n_in_flight, 1);
    assert_false(alone_has_returned(&s->alone));
    t->doubted = false;
    return many;
}

/* A request for each record is slow: a backlog that was read while the topic was doubted would take minutes. */
static void many_that_need_not_be_alone_any_more_leave_with_the_others(void **state)
{
    stage *s = *state;
    page *many = open_many_after_a_doubt(s, MANY);
    s->told_us++;
    assert_int_equal(alone_step(&s->alone, s->told_us), s->told_us);
    assert_true(alone_has_returned(&s->alone));
    assert_false(alone_has_returned(&s->alone));
    size_t n_waiting = 0;
    for (int key = 0; key < N_KEYS; key++)
        n_waiting += (size_t)count_waiting(many, key);
    assert_int_equal(n_waiting % (MANY / N_KEYS), 0); /* a key is here or there */
    assert_int_equal(count_waiting(many, IN_FLIGHT), 0);
    assert_int_equal(count_waiting(many, MARKED), 0);
    assert_int_equal(s->alone.n, MANY - n_waiting);
    assert_in_range(s->alone.n, 1, FEW);
    assert_true(wait_until(all_reported, s, SOON_MS));
    assert_int_equal(many->rows[IN_FLIGHT].state, ROW_ACKED);
    alone_drop(&s->alone); /* which still has rows of it */
    page_free(many);
}

static void what_is_few_stays_alone(void **state)
{
    stage *s = *state;
    page *few = open_many_after_a_doubt(s, FEW);
    alone_step(&s->alone, ++s->told_us);
    assert_false(alone_has_returned(&s->alone));
    assert_int_equal(s->alone.n, FEW);
    assert_true(wait_until(all_reported, s, SOON_MS));
    alone_drop(&s->alone); /* which still has rows of it */
    page_free(few);
}

/* It is over when nothing was refused for a while, which is longer each time. */
static void a_topic_is_doubted_for_longer_each_time(void **state)
{
    (void)state;
    topic t = {0};
    int64_t now_us = 1000, last_us = 0;
    for (int i = 0; i < 10; i++, last_us = t.doubted_us, now_us = t.doubted_until_us + 1) {
        topic_doubt(&t, now_us);
        assert_true(t.doubted);
        assert_true(t.doubted_us > last_us || t.doubted_us == 10000000);
        topic_doubt(&t, ++now_us); /* of the same request */
        assert_int_equal(t.doubted_until_us - now_us, t.doubted_us);
    }
    assert_int_equal(last_us, 10000000);
    topic_doubt(&t, now_us + 2 * last_us);
    assert_true(t.doubted_us < last_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_that_need_not_be_alone_any_more_leave_with_the_others,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(what_is_few_stays_alone, open_stage, close_stage),
        cmocka_unit_test(a_topic_is_doubted_for_longer_each_time),
        cmocka_unit_test_setup_teardown(fails_again_and_again_while_its_partition_takes_others, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(where_nothing_is_taken_the_topic_is_to_blame, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_is_redriven_by_itself_is_to_blame, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(where_most_are_refused_the_topic_is_to_blame, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(the_time_is_the_partitions_where_it_takes_nothing, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(an_error_that_is_of_no_record_begins_the_time_anew, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_roams_and_is_taken_nowhere_has_its_topic_to_blame, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_roams_from_where_most_was_taken_has_its_topic_to_blame,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(what_roams_while_others_are_taken_is_to_blame, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_others_take_does_not_excuse_its_partition, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(one_partition_that_takes_nothing_is_not_the_topic_for_what_has_no_key,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(what_is_given_back_keeps_what_is_known_of_it, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_is_taken_back_keeps_what_is_known_of_it, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(the_first_of_a_lane_that_waits_gets_no_time_of_its_own, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_is_taken_back_tells_of_no_broker, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(what_fails_all_the_time_holds_up_no_other_key, open_stage_of_two,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_is_given_back_rests_all_the_same, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(what_is_given_back_and_comes_no_more_is_forgotten, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(keys_that_fail_together_are_tried_again_one_after_the_other,
                                        open_stage, close_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
