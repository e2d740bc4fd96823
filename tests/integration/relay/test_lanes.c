/* Topics that take nothing while brokers answer: parked as lanes, in order, while all others flow, and drained in order by themselves. */
#include "cmocka_all.h"
#include "kafka_cluster.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The lowest that is accepted. */
static const char *const soon[] = {"--lane-timeout-ms", "2500", NULL};
static const char *const never[] = {"--lane-timeout-ms", "1h", NULL};

static kafka_cluster *three;

static int open_cluster(void **state)
{
    (void)state;
    three = kafka_cluster_new(3, NULL);
    return stage_open_with(kafka_cluster_whole(three));
}

static int close_cluster(void **state)
{
    (void)state;
    pg_fixture_free(stage_pg);
    kafka_cluster_free(three);
    return 0;
}

/* A topic that only the second node holds, and the outbox's own, which the others hold. */
typedef struct scene {
    outbox *o;
    char *lame;
} scene;

static scene scene_new(void)
{
    static const int32_t well[] = {1, 3}, second[] = {2};
    kafka_cluster_start(three); /* where a test before this one failed */
    scene s = {.o = outbox_new()};
    free(s.o->topic);
    s.o->topic = kafka_cluster_place_topic(three, "well", well, 2);
    s.lame = kafka_cluster_place_topic(three, "lame", second, 1);
    kafka_cluster_expect_leader(three, s.lame, 0, 2);
    return s;
}

static void scene_free(scene *s)
{
    outbox_free(s->o);
    free(s->lame);
}

/* n events of each topic, one after the other, of five keys in turn. */
static void publish_both(const scene *s, int n)
{
    pg_run(s->o->conn,
           "SELECT count(postbus.publish(t, 'v' || i, 'k' || i %% 5)) FROM generate_series(1, %d) i, "
           "unnest(ARRAY['%s', '%s']) WITH ORDINALITY AS u (t, place)",
           n, s->lame, s->o->topic);
}

static void kill_second(const char *topic, int32_t partition)
{
    kafka_fixture_kill(kafka_cluster_node(three, 2));
    kafka_cluster_expect_leader(three, topic, partition, -1);
}

static void expect_parked(const scene *s, int n)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT (pending = 0 AND parked = %d)::int FROM postbus.backlog()", n);
    expect_sql(s->o->conn, sql);
}

/* Nobody can have written what was in flight to a partition without a leader: what is sent again comes once. */
static void expect_both_arrived_once(const scene *s)
{
    expect_drained(s->o);
    expect_each_arrived_once(s->o, s->o->topic);
    expect_each_arrived_once(s->o, s->lame);
}

/* A leader that is frozen, or lacks replicas, may write what was in flight and not say so: that may come twice, once for each stall. */
static void expect_both_arrived(const scene *s)
{
    expect_drained(s->o);
    expect_all_arrived(s->o, s->o->topic);
    expect_all_arrived(s->o, s->lame);
}

/* ---- without a leader ---- */

/* While the second node is away: a relay that starts then, of another database. No lane opens, and yet only the lame topic waits. */
static void at_the_start_a_topic_without_a_leader_holds_up_no_other(scene *s)
{
    publish_both(s, 500);
    proc_fixture *relay = relay_start_leading(s->o, never);
    expect_each_arrived_once(s->o, s->o->topic);
    publish_both(s, 500);
    expect_each_arrived_once(s->o, s->o->topic);
    pg_expect(s->o->conn, "0", "SELECT parked FROM postbus.backlog()");
    relay_kill(relay);
}

/* It needs no answer of the leader that is away, though the first of the lane is with the producer. */
static void discard_the_last(const scene *s)
{
    pg_run(s->o->conn, "SELECT postbus.discard(max(id), 'not needed') FROM postbus.parked");
    expect_sql(s->o->conn, "SELECT count(*) FROM postbus.dead");
    pg_run(s->o->conn, "DELETE FROM postbus.outbox o USING postbus.dead d WHERE d.id = o.id");
}

/* Far more waits than the memory the relay may use. The relay stops in the meantime, which repeats nothing. */
static void a_topic_without_a_leader_waits_in_its_lane_and_no_other_does(void **state)
{
    (void)state;
    static const char *const flags[] = {
        "--lane-timeout-ms", "2500", "--page-bytes", "128KiB", "--in-flight-bytes", "1MiB", NULL};
    scene s = scene_new(), other = scene_new();
    proc_fixture *relay = relay_start_leading(s.o, flags);
    publish_both(&s, 100);
    expect_drained(s.o);
    kill_second(s.lame, 0);
    for (int i = 0; i < 10; i++)
        publish_both(&s, 500);
    expect_parked(&s, 5000);
    proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
    pg_expect(s.o->conn, "no_leader/5/topic",
              "SELECT DISTINCT concat_ws('/', reason, error_code, waits_for) FROM postbus.parked");
    discard_the_last(&s);
    expect_peak_below(relay, "a lane of 5,000 events", 48);
    relay_stop(relay);
    at_the_start_a_topic_without_a_leader_holds_up_no_other(&other);
    relay = relay_start_leading(s.o, flags);
    publish_both(&s, 50);
    expect_parked(&s, 5049);
    kafka_cluster_start(three);
    expect_both_arrived_once(&s);
    publish_both(&s, 50);
    expect_both_arrived_once(&s);
    relay_stop(relay);
    scene_free(&s);
    scene_free(&other);
}

/* Keys of all three partitions, of which one has a leader now and then. Whatever was in flight may come again and nothing else, and
 * no producer is thrown away for each time. */
static void a_leader_that_comes_and_goes_disturbs_no_order(void **state)
{
    (void)state;
    enum { N_TIMES = 2 };
    static const int32_t nodes[] = {1, 2, 3};
    scene s = scene_new();
    free(s.lame);
    s.lame = kafka_cluster_place_topic(three, "partly", nodes, 3);
    proc_fixture *relay = relay_start_leading(s.o, soon);
    for (int i = 0; i < N_TIMES; i++) {
        publish_both(&s, 300);
        kill_second(s.lame, 1);
        for (int k = 0; k < 20; k++)
            publish_both(&s, 20);
        expect_sql(s.o->conn, "SELECT (pending = 0 AND parked > 0)::int FROM postbus.backlog()");
        kafka_cluster_start(three);
    }
    expect_both_arrived_once(&s);
    assert_int_equal(proc_fixture_end(relay, SIGTERM, SOON_MS), 0);
    assert_in_range(relay_counted(relay, "producers_recreated"), 1, 2 * N_TIMES);
    proc_fixture_free(relay);
    scene_free(&s);
}

/* ---- with a leader that does not answer, or may not ---- */

static void what_a_frozen_leader_has_on_the_wire_comes_before_what_follows(void **state)
{
    (void)state;
    scene s = scene_new();
    proc_fixture *relay = relay_start_leading(s.o, soon);
    publish_both(&s, 100);
    expect_drained(s.o);
    kafka_fixture_freeze(kafka_cluster_node(three, 2));
    publish_both(&s, 300);
    expect_parked(&s, 300);
    publish_both(&s, 300);
    expect_parked(&s, 600);
    kafka_fixture_thaw(kafka_cluster_node(three, 2));
    expect_both_arrived(&s);
    relay_stop(relay);
    kafka_cluster_expect_leader(three, s.lame, 0, 2);
    scene_free(&s);
}

static void a_topic_without_enough_replicas_waits_in_its_lane(void **state)
{
    (void)state;
    static const char *const all[] = {"min.insync.replicas=3", NULL};
    scene s = scene_new();
    free(s.lame);
    s.lame = kafka_cluster_new_topic(three, "guarded", 1, 3, all);
    proc_fixture *relay = relay_start_leading(s.o, soon);
    publish_both(&s, 100);
    expect_drained(s.o);
    kafka_fixture_kill(kafka_cluster_node(three, 2));
    publish_both(&s, 200);
    proc_fixture_expect_log(relay, "topic.stalled", SOON_MS);
    expect_sql(s.o->conn, "SELECT (pending = 0 AND parked > 0)::int FROM postbus.backlog()");
    pg_expect(s.o->conn, "not_acknowledged",
              "SELECT DISTINCT concat_ws('/', reason, error_code) FROM postbus.parked");
    kafka_cluster_start(three);
    expect_both_arrived(&s);
    relay_stop(relay);
    scene_free(&s);
}

/* ---- no broker at all ---- */

static bool has_passed(void *arg)
{
    return wait_now_ms() > *(int64_t *)arg;
}

static void without_any_broker_events_wait_in_the_outbox(void **state)
{
    (void)state;
    scene s = scene_new();
    proc_fixture *relay = relay_start_leading(s.o, soon);
    publish_both(&s, 100);
    expect_drained(s.o);
    kafka_cluster_kill(three);
    publish_both(&s, 100);
    proc_fixture_expect_log(relay, "kafka.down", SOON_MS);
    int64_t until_ms = wait_now_ms() + 3 * 2500;
    assert_true(wait_until(has_passed, &until_ms, SOON_MS));
    pg_expect(s.o->conn, "200/0", "SELECT concat_ws('/', pending, parked) FROM postbus.backlog()");
    kafka_cluster_start(three);
    expect_both_arrived(&s);
    relay_stop(relay);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_without_a_leader_waits_in_its_lane_and_no_other_does),
        cmocka_unit_test(a_leader_that_comes_and_goes_disturbs_no_order),
        cmocka_unit_test(what_a_frozen_leader_has_on_the_wire_comes_before_what_follows),
        cmocka_unit_test(a_topic_without_enough_replicas_waits_in_its_lane),
        cmocka_unit_test(without_any_broker_events_wait_in_the_outbox),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
