/* A topic that one broker leads no longer for a while, and writes nothing of: whatever comes twice then is of the relay's own making. The broker is
 * librdkafka's mock broker, in this program, which gives up partitions and delays answers when told to. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 1000, THE_BROKER = 1, OTHER_BROKER = 2, FAST_MS = 20, SLOW_MS = 300, LATE_MS = 1000 };

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *mock;
static rd_kafka_t *asker; /* a client of the mock broker */
static const char *const flags[] = {"--lane-timeout-ms", "2500", "--page-rows", "100", NULL};

static int open_stage(void **state)
{
    (void)state;
    char message[256];
    host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, message, sizeof message);
    assert_non_null(host);
    mock = rd_kafka_mock_cluster_new(host, OTHER_BROKER);
    assert_non_null(mock);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock), NULL, 0);
    asker = rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof message);
    assert_non_null(asker);
    return stage_open_with(kafka_fixture_at(rd_kafka_mock_cluster_bootstraps(mock)));
}

static int close_stage(void **state)
{
    stage_close(state);
    rd_kafka_destroy(asker);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
    return 0;
}

static void set_answer_ms(int ms)
{
    for (int32_t broker = THE_BROKER; broker <= OTHER_BROKER; broker++)
        assert_int_equal(rd_kafka_mock_broker_set_rtt(mock, broker, ms), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void set_leader_of(const char *topic, int32_t broker)
{
    assert_int_equal(rd_kafka_mock_partition_set_leader(mock, topic, 0, broker), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void set_leader(const outbox *o, int32_t broker)
{
    set_leader_of(o->topic, broker);
}

static char *new_topic(const char *prefix, int32_t leader)
{
    char *topic = kafka_fixture_new_name(prefix);
    assert_int_equal(rd_kafka_mock_topic_create(mock, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    set_leader_of(topic, leader);
    return topic;
}

static outbox *mocked_outbox(void)
{
    set_answer_ms(0); /* where a test before this one failed */
    return outbox_new_of(new_topic("t", THE_BROKER));
}

static void expect_parked(const outbox *o, int n)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT (pending = 0 AND parked = %d)::int FROM postbus.backlog()", n);
    expect_sql(o->conn, sql);
}

/* A topic that has had 100 events, and stalls with n waiting. */
static proc_fixture *stall(const outbox *o, int n)
{
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, 100);
    expect_drained(o);
    set_leader(o, -1);
    publish(o->conn, o->topic, NULL, n);
    expect_parked(o, n);
    proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
    return relay;
}

static void stop_having_thrown_away(proc_fixture *relay, long n_producers)
{
    assert_int_equal(proc_fixture_end(relay, SIGTERM, SOON_MS), 0);
    assert_int_equal(relay_counted(relay, "producers_recreated"), n_producers);
    proc_fixture_free(relay);
}

/* What was taken back when it stalled is sent a moment later, and has not waited since then. */
static void a_topic_that_is_back_soon_stalls_once_and_repeats_nothing(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    proc_fixture *relay = stall(o, N);
    set_answer_ms(SLOW_MS); /* slower than the look at what waits */
    set_leader(o, THE_BROKER);
    expect_drained(o);
    set_answer_ms(0);
    expect_each_arrived_once(o, o->topic);
    stop_having_thrown_away(relay, 1);
    outbox_free(o);
}

/* The first of the lane is with the successor's second producer, and may stay there. */
static void a_successor_throws_nothing_away_for_a_topic_that_is_still_away(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    relay_kill(stall(o, N));
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, NULL, 50);
    expect_parked(o, N + 50);
    pg_expect(o->conn, "no_leader/5",
              "SELECT DISTINCT concat_ws('/', reason, error_code) FROM postbus.parked");
    proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
    set_leader(o, THE_BROKER);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    stop_having_thrown_away(relay, 0);
    outbox_free(o);
}

enum { PRODUCE = 0 /* the protocol's key of the request */ };

/* The next record that the broker gets, and once more alone. */
static void refuse_the_next(void)
{
    assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(mock, THE_BROKER, PRODUCE, 2,
                                                                  RD_KAFKA_RESP_ERR_INVALID_RECORD, 0,
                                                                  RD_KAFKA_RESP_ERR_INVALID_RECORD, 0),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void park_a_refused_one(const outbox *o, const char *topic)
{
    refuse_the_next();
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'k')", topic);
    char sql[150];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM postbus.parked WHERE topic = '%s' AND waits_for = 'operator'", topic);
    expect_sql(o->conn, sql);
}

/* Nothing of the topic's lane can leave before the event at which it stops: that one is tried again and again. */
static void what_a_stalled_topic_stops_at_holds_up_no_wish_of_another(void **state)
{
    (void)state;
    char policy[120];
    outbox *o = mocked_outbox();
    char *other = new_topic("other", THE_BROKER);
    snprintf(policy, sizeof policy, "%s=stop", o->topic);
    const char *const stopping[] = {"--lane-timeout-ms", "2500", "--park-policy-of", policy, NULL};
    proc_fixture *relay = relay_start_leading(o, stopping);
    park_a_refused_one(o, other);
    park_a_refused_one(o, o->topic);
    publish(o->conn, o->topic, NULL, 50);
    expect_parked(o, 52);
    set_leader(o, -1);
    pg_run(o->conn, "SELECT postbus.redrive(topic => '%s')", o->topic);
    proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
    pg_run(o->conn, "SELECT postbus.redrive(topic => '%s')", other);
    expect_parked(o, 51);
    pg_expect(o->conn, "1", "SELECT count(*) FROM postbus.wish");
    set_leader(o, THE_BROKER);
    expect_drained(o);
    expect_each_arrived_once(o, other);
    free(other);
    finish(o, relay);
}

/* Nothing waits in its lane: what was redriven stays parked, and it is tried again later each time. The times are the least that there can be. */
static void a_redrive_to_a_topic_that_is_away_disturbs_no_other_and_rests(void **state)
{
    (void)state;
    enum { N_STALLS = 3, HOLDS_MS = (1 + 2 + 4) * 2500 };
    outbox *o = mocked_outbox();
    char *other = new_topic("other", THE_BROKER);
    proc_fixture *relay = relay_start_leading(o, flags);
    park_a_refused_one(o, o->topic); /* which costs a producer */
    int64_t since_ms = wait_now_ms();
    set_leader(o, -1);
    redrive_all(o);
    for (int i = 0; i < N_STALLS; i++) {
        publish(o->conn, other, NULL, 100);
        proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
        proc_fixture_expect_log(relay, "lane.closed", SOON_MS);
    }
    assert_true(wait_now_ms() - since_ms >= HOLDS_MS);
    set_leader(o, THE_BROKER);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    expect_each_arrived_once(o, other);
    stop_having_thrown_away(relay, 1);
    free(other);
    outbox_free(o);
}

/* Of what is produced alone: whoever asks for the end of the topic is answered at once, while a producer still waits. */
static void delay_answers_to_producers(int n, int ms)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(mock, THE_BROKER, PRODUCE, 1,
                                                                      RD_KAFKA_RESP_ERR_NO_ERROR, ms),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
}

typedef struct end_of_topic {
    const char *topic;
    int64_t at_least;
} end_of_topic;

static bool reached(void *arg)
{
    const end_of_topic *end = arg;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, end->topic, 0);
    one->offset = RD_KAFKA_OFFSET_END;
    bool is = rd_kafka_offsets_for_times(asker, list, SOON_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
              one->err == RD_KAFKA_RESP_ERR_NO_ERROR && one->offset >= end->at_least;
    rd_kafka_topic_partition_list_destroy(list);
    return is;
}

/* A topic that stops at refused events, one that can be held back, by another broker, and a third. */
typedef struct three_topics {
    outbox *o;
    char *held, *third;
    char policy[120];
} three_topics;

static proc_fixture *start_three(three_topics *s)
{
    *s = (three_topics){.o = mocked_outbox(),
                        .held = new_topic("held", OTHER_BROKER),
                        .third = new_topic("third", THE_BROKER)};
    snprintf(s->policy, sizeof s->policy, "%s=stop", s->o->topic);
    const char *const patient[] = {"--lane-timeout-ms", "1h", "--park-policy-of", s->policy, NULL};
    proc_fixture *relay = relay_start_leading(s->o, patient);
    publish(s->o->conn, s->held, "k", 1);
    publish(s->o->conn, s->third, "k", 1);
    expect_drained(s->o);
    return relay;
}

static void finish_three(three_topics *s, proc_fixture *relay)
{
    expect_drained(s->o);
    expect_each_arrived_once(s->o, s->held);
    expect_each_arrived_once(s->o, s->third);
    free(s->held);
    free(s->third);
    finish(s->o, relay);
}

/* Returns once the relay has seen them both: what it reads, it walks over in order. */
static void publish_and_wait_for_third(const three_topics *s, int64_t n_of_third)
{
    pg_run(s->o->conn, "SELECT count(postbus.publish(t, 'v', 'k')) FROM unnest(ARRAY['%s', '%s']) t",
           s->o->topic, s->third);
    assert_true(wait_until(reached, &(end_of_topic){.topic = s->third, .at_least = n_of_third}, SOON_MS));
}

static void publish_behind_what_is_held(const three_topics *s)
{
    set_leader_of(s->held, -1);
    publish(s->o->conn, s->held, "k", 1);
    publish_and_wait_for_third(s, 2);
}

/* The topic's lane holds nothing any more, and cannot close before what is held has its answer. */
static proc_fixture *start_with_a_lane_behind_what_is_held(three_topics *s)
{
    proc_fixture *relay = start_three(s);
    park_a_refused_one(s->o, s->o->topic);
    publish_behind_what_is_held(s);
    pg_run(s->o->conn, "SELECT postbus.discard(id, 'not wanted') FROM postbus.parked");
    expect_sql(s->o->conn, "SELECT (count(*) = 1)::int FROM postbus.dead");
    return relay;
}

/* Its lane is found empty while an event is about to be parked there, at which the topic stops. */
static void a_topic_that_stops_while_its_lane_closes_holds_up_no_other(void **state)
{
    (void)state;
    three_topics s;
    proc_fixture *relay = start_with_a_lane_behind_what_is_held(&s);
    publish_and_wait_for_third(&s, 3);
    refuse_the_next();
    set_leader_of(s.held, OTHER_BROKER);
    expect_sql(s.o->conn, "SELECT count(*) FROM postbus.parked WHERE stops_topic");
    publish(s.o->conn, s.third, "k", 1);
    expect_sql(s.o->conn, "SELECT (pending = 0 AND parked = 2)::int FROM postbus.backlog()");
    pg_expect(s.o->conn, "invalid_record behind_topic",
              "SELECT string_agg(reason, ' ' ORDER BY id) FROM postbus.parked");
    pg_run(s.o->conn, "DELETE FROM postbus.outbox o USING postbus.dead d WHERE d.id = o.id");
    redrive_all(s.o);
    finish_three(&s, relay);
}

/* What is parked behind an event without an answer is not settled before that has one. */
static void a_lane_that_cannot_close_yet_holds_up_no_reading(void **state)
{
    (void)state;
    enum { N_MORE = 5 };
    three_topics s;
    proc_fixture *relay = start_with_a_lane_behind_what_is_held(&s);
    for (int i = 1; i <= N_MORE; i++) {
        publish(s.o->conn, s.third, "k", 1);
        assert_true(wait_until(reached, &(end_of_topic){.topic = s.third, .at_least = 2 + i}, SOON_MS));
    }
    set_leader_of(s.held, OTHER_BROKER);
    expect_sql(s.o->conn, "SELECT (pending = 0 AND parked = 0)::int FROM postbus.backlog()");
    proc_fixture_expect_log(relay, "lane.closed", SOON_MS);
    pg_run(s.o->conn, "DELETE FROM postbus.outbox o USING postbus.dead d WHERE d.id = o.id");
    finish_three(&s, relay);
}

static void a_stop_waits_for_the_answer_to_the_first_of_a_stalled_lane(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    proc_fixture *relay = stall(o, 50);
    delay_answers_to_producers(2, LATE_MS);
    set_leader(o, THE_BROKER);
    assert_true(wait_until(reached, &(end_of_topic){.topic = o->topic, .at_least = 101}, SOON_MS));
    relay_stop(relay);
    relay = relay_start_leading(o, flags);
    finish(o, relay);
}

static void stops_in_the_middle_of_a_drain_repeat_nothing(void **state)
{
    (void)state;
    enum { N_STOPS = 3 };
    outbox *o = mocked_outbox();
    proc_fixture *relay = stall(o, N);
    set_answer_ms(FAST_MS);
    set_leader(o, THE_BROKER);
    for (int i = 0; i < N_STOPS; i++) {
        char sql[100];
        int64_t parked = pg_number(o->conn, "SELECT parked FROM postbus.backlog()");
        snprintf(sql, sizeof sql, "SELECT (parked < %lld)::int FROM postbus.backlog()", (long long)parked);
        expect_sql(o->conn, sql);
        relay_stop(relay);
        assert_true(pg_number(o->conn, "SELECT parked FROM postbus.backlog()") > 0);
        relay = relay_start_leading(o, flags);
    }
    set_answer_ms(0);
    finish(o, relay);
}

/* A producer holds it and cannot send it: it is taken back. */
static void the_first_of_a_stalled_lane_can_be_discarded(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    proc_fixture *relay = stall(o, 50);
    pg_run(o->conn, "SELECT postbus.discard(id, 'not wanted') FROM postbus.parked ORDER BY n LIMIT 1");
    expect_sql(o->conn, "SELECT count(*) FROM postbus.dead");
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.wish");
    set_leader(o, THE_BROKER);
    expect_drained(o);
    topic_records records = topic_read(rd_kafka_mock_cluster_bootstraps(mock), o->topic, 149, SOON_MS);
    assert_int_equal(records.n_rows, 149);
    topic_records_done(&records);
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.audit WHERE what ? 'outcome'");
    relay_stop(relay);
    outbox_free(o);
}

/* The broker has it and does not say so: nothing can be taken back, and who wished it is told. */
static void a_discard_that_came_too_late_is_told(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    proc_fixture *relay = stall(o, 50);
    delay_answers_to_producers(1, 4 * LATE_MS);
    set_leader(o, THE_BROKER);
    assert_true(wait_until(reached, &(end_of_topic){.topic = o->topic, .at_least = 101}, SOON_MS));
    pg_run(o->conn, "SELECT postbus.discard(id, 'not wanted') FROM postbus.parked ORDER BY n LIMIT 1");
    expect_drained(o);
    expect_sql(o->conn, "SELECT count(*) FROM postbus.audit WHERE action = 'discard' AND n_events = 0 AND "
                        "what->>'outcome' = 'published' AND why = 'not wanted'");
    pg_expect(o->conn, "0 0",
              "SELECT (SELECT count(*) FROM postbus.wish) || ' ' || (SELECT count(*) FROM postbus.dead)");
    finish(o, relay);
}

/* The server counts the calls of a session when that ends. */
static void finish_after_attempts(outbox *o, proc_fixture *relay, int most)
{
    expect_sql(o->conn, "SELECT count(*) FROM postbus.audit WHERE what->>'outcome' = 'published'");
    expect_drained(o);
    relay_stop(relay);
    expect_sql(o->conn, "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_user_functions WHERE funcname = "
                        "'end_late_discards'");
    int64_t n =
        pg_number(o->conn, "SELECT calls FROM pg_stat_user_functions WHERE funcname = 'end_late_discards'");
    assert_in_range(n, 1, most);
    outbox_free(o);
}

/* Lanes stand still for each attempt. The function is called by each. */
static void a_discard_that_has_to_wait_is_tried_less_and_less_often(void **state)
{
    (void)state;
    enum { FOR_MS = 12000, MOST_ATTEMPTS = 8 };
    outbox *o = mocked_outbox();
    pg_run(o->conn, "ALTER ROLE relay SET track_functions = 'all'");
    proc_fixture *relay = stall(o, 50);
    delay_answers_to_producers(1, FOR_MS);
    set_leader(o, THE_BROKER);
    assert_true(wait_until(reached, &(end_of_topic){.topic = o->topic, .at_least = 101}, SOON_MS));
    pg_run(o->conn, "SELECT postbus.discard(id, 'not wanted') FROM postbus.parked ORDER BY n LIMIT 1");
    finish_after_attempts(o, relay, MOST_ATTEMPTS);
}

/* A lane that drains slowly, a blocked key's event on each of its pages; of another topic the first event of key k was refused. */
static proc_fixture *drain_slowly_beside(const outbox *o, const char *other)
{
    static const char *const small_pages[] = {"--lane-timeout-ms", "2500", "--page-rows", "10", NULL};
    proc_fixture *relay = relay_start_leading(o, small_pages);
    park_a_refused_one(o, o->topic);
    park_a_refused_one(o, other);
    set_leader(o, -1);
    publish(o->conn, o->topic, NULL, 10);
    proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
    pg_run(o->conn,
           "SELECT count(postbus.publish('%s', 'v', CASE i %% 10 WHEN 5 THEN 'k' ELSE 'k' || i %% 3 END)) "
           "FROM generate_series(1, %d) i",
           o->topic, N);
    publish(o->conn, other, NULL, 1); /* the new producer comes to know the topic while answers are fast */
    expect_parked(o, 2 + 10 + N);
    set_answer_ms(SLOW_MS);
    set_leader(o, THE_BROKER);
    proc_fixture_expect_log(relay, "topic.resumed", SOON_MS);
    return relay;
}

/* Until it is let go of, nothing is read: what the lane adds to another key meanwhile must not put that off. */
static void a_key_is_let_go_of_while_a_lane_drains(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    char *other = new_topic("other", THE_BROKER), sql[200];
    proc_fixture *relay = drain_slowly_beside(o, other);
    pg_run(o->conn, "SELECT postbus.redrive(topic => '%s')", other);
    snprintf(sql, sizeof sql, "SELECT (count(*) = 0)::int FROM postbus.parked WHERE topic = '%s'", other);
    expect_sql(o->conn, sql);
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'k')", other);
    snprintf(
        sql, sizeof sql,
        "SELECT (state = 'published')::int FROM postbus.event WHERE topic = '%s' ORDER BY id DESC LIMIT 1",
        other);
    expect_sql(o->conn, sql);
    assert_true(pg_number(o->conn, "SELECT count(*) FROM postbus.parked WHERE waits_for = 'topic'") > 0);
    set_answer_ms(0);
    redrive_all(o);
    expect_drained(o);
    expect_each_arrived_once(o, other);
    free(other);
    finish(o, relay);
}

/* Each of its own transaction, so that the relay reads it by itself. */
static void publish_singly(const outbox *o, const char *topic, int n)
{
    pg_run(o->conn, "SET synchronous_commit = off");
    pg_run(o->conn,
           "DO $$ BEGIN FOR i IN 1 .. %d LOOP PERFORM postbus.publish('%s', i::text, 'k'); COMMIT; "
           "PERFORM pg_sleep(0.0005); END LOOP; END $$",
           n, topic);
}

/* Each of them is seen before one with a smaller number: no two go into one receipt. */
static void publish_crosswise(const outbox *o, const char *topic, int n)
{
    PGconn *earlier = outbox_connect(o);
    pg_run(earlier, "SET synchronous_commit = off");
    pg_run(earlier, "BEGIN");
    publish(earlier, topic, "earlier", 1);
    for (int i = 0; i < n; i++) {
        publish(o->conn, topic, "later", 1);
        pg_run(earlier, "COMMIT");
        pg_run(earlier, "BEGIN");
        publish(earlier, topic, "earlier", 1);
    }
    pg_run(earlier, "COMMIT");
    PQfinish(earlier);
}

/* What waits behind it unsettled takes little memory, however many reads it came by. */
static void an_event_without_an_answer_holds_up_no_other_topic(void **state)
{
    (void)state;
    outbox *o = mocked_outbox();
    char *other = kafka_fixture_new_name("other");
    assert_int_equal(rd_kafka_mock_topic_create(mock, other, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    const char *const patient[] = {"--lane-timeout-ms", "600000", NULL};
    proc_fixture *relay = relay_start_leading(o, patient);
    publish(o->conn, o->topic, NULL, 1);
    expect_drained(o);
    set_leader(o, -1);
    publish(o->conn, o->topic, NULL, 1);
    publish_singly(o, other, 4000);
    publish_crosswise(o, other, 2000);
    expect_each_arrived_once(o, other);
    set_leader(o, THE_BROKER);
    expect_drained(o);
    free(other);
    finish(o, relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_that_is_back_soon_stalls_once_and_repeats_nothing),
        cmocka_unit_test(a_successor_throws_nothing_away_for_a_topic_that_is_still_away),
        cmocka_unit_test(what_a_stalled_topic_stops_at_holds_up_no_wish_of_another),
        cmocka_unit_test(a_redrive_to_a_topic_that_is_away_disturbs_no_other_and_rests),
        cmocka_unit_test(a_topic_that_stops_while_its_lane_closes_holds_up_no_other),
        cmocka_unit_test(a_lane_that_cannot_close_yet_holds_up_no_reading),
        cmocka_unit_test(a_key_is_let_go_of_while_a_lane_drains),
        cmocka_unit_test(an_event_without_an_answer_holds_up_no_other_topic),
        cmocka_unit_test(a_stop_waits_for_the_answer_to_the_first_of_a_stalled_lane),
        cmocka_unit_test(stops_in_the_middle_of_a_drain_repeat_nothing),
        cmocka_unit_test(the_first_of_a_stalled_lane_can_be_discarded),
        cmocka_unit_test(a_discard_that_came_too_late_is_told),
        cmocka_unit_test(a_discard_that_has_to_wait_is_tried_less_and_less_often),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}
