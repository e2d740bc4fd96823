/* Exactly-once delivery: a reader of committed records sees each event once and each key's in order, whatever dies, and a zombie is fenced. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

static const char *const exact[] = {"--delivery=exactly_once", "--page-rows=25", "-X",
                                    "compression.type=none", NULL};
static const char *const lasting[] = {"--delivery=exactly_once", "--lease-ms=1000", "--page-rows=25", NULL};
static const char *const loose[] = {"--page-rows=25", NULL};
static const char *const small[] = {"max.message.bytes=20000", NULL};

static void expect_dead(proc_fixture *relay)
{
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 128 + SIGKILL);
    proc_fixture_free(relay);
}

static void expect_nothing_pending(const outbox *o)
{
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
}

/* Each committed record has one receipt, which names its place, and no receipt names another. */
static void expect_true_receipts(const outbox *o)
{
    topic_records all = topic_read_committed(kafka_fixture_brokers(stage_kafka), o->topic, 1, SOON_MS);
    pg_run(o->conn, "CREATE TEMP TABLE seen (event_id uuid, partition int, broker_offset bigint); BEGIN");
    for (size_t i = 0; i < all.n_rows; i++)
        pg_run(o->conn, "INSERT INTO seen VALUES ('%s', %d, %lld)", topic_record_header(&all.rows[i], "id"),
               (int)all.rows[i].partition, (long long)all.rows[i].offset);
    topic_records_done(&all);
    pg_run(o->conn, "COMMIT");
    pg_expect(
        o->conn, "0",
        "SELECT count(*) FROM seen s FULL JOIN (SELECT postbus.event_id(u.id) AS event_id, u.partition, "
        "u.broker_offset "
        "FROM postbus.receipt r, unnest(r.ids, r.partitions, r.offsets) AS u (id, partition, broker_offset) "
        "WHERE u.partition IS NOT NULL) r USING (event_id, partition, broker_offset) "
        "WHERE s IS NULL OR r IS NULL");
    pg_expect(o->conn, "0", "SELECT count(*) - count(DISTINCT event_id) FROM seen");
}

static void end(outbox *o, proc_fixture *relay)
{
    expect_drained(o);
    relay_stop(relay);
    expect_each_committed_once(o, o->topic);
    expect_true_receipts(o);
    pg_expect(o->conn, NULL, "SELECT intent FROM postbus.progress ORDER BY n DESC LIMIT 1");
    outbox_free(o);
}

/* ---- a crash at every point ---- */

static const char *const points[] = {
    "after_read:2",   "after_barrier:2", "after_produce",   "after_produce:3",
    "after_ack",      "after_ack:3",     "before_intent:1", "before_intent:3",
    "after_intent:1", "after_intent:3",  "before_commit:1", "before_commit:2",
    "after_commit:1", "after_commit:3",  "after_settle:1",  "after_settle:3",
};

static void each_event_is_seen_once_over_a_crash(void **state)
{
    enum { MOST = 5000 };
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_crashing(o, *state, exact);
    publish(o->conn, o->topic, NULL, 200);
    for (int i = 0; i < MOST && proc_fixture_running(relay); i++)
        publish(o->conn, o->topic, NULL, 5);
    expect_dead(relay);
    relay = relay_start_leading(o, exact);
    publish(o->conn, o->topic, NULL, 10);
    end(o, relay);
}

/* ---- doubt ---- */

/* Leaves an intent whose Kafka transaction was, or was not, committed. */
static outbox *in_doubt(const char *point)
{
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 20);
    expect_dead(relay_start_crashing(o, point, exact));
    pg_expect(o->conn, "t", "SELECT intent IS NOT NULL FROM postbus.progress ORDER BY n DESC LIMIT 1");
    pg_expect(o->conn, "20", "SELECT pending FROM postbus.backlog()");
    return o;
}

static void what_is_in_doubt_counts_as_pending_until_it_is_known_to_be_committed(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    proc_fixture *relay = relay_start(o, exact);
    proc_fixture_expect_log(relay, "outcome=committed", SOON_MS);
    expect_drained(o);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 20, SOON_MS);
    assert_int_equal(all.n_rows, 20);
    topic_records_done(&all);
    end(o, relay);
}

static void what_was_not_committed_is_taken_back_and_sent_again(void **state)
{
    (void)state;
    outbox *o = in_doubt("before_commit");
    proc_fixture *relay = relay_start(o, exact);
    proc_fixture_expect_log(relay, "outcome=aborted", SOON_MS);
    end(o, relay);
}

/* Kafka is not there to be asked, and another history would answer with numbers that mean something else. */
static void a_rebase_takes_back_what_is_in_doubt_and_publishes_it_again(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    pg_run(o->conn, "SELECT postbus.rebase()");
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.receipt");
    proc_fixture *relay = relay_start_leading(o, exact);
    publish(o->conn, o->topic, NULL, 5);
    expect_drained(o);
    relay_stop(relay);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 45, SOON_MS);
    assert_int_equal(all.n_rows, 45);
    topic_records_done(&all);
    outbox_free(o);
}

static void a_relay_that_is_set_back_to_at_least_once_resolves_the_doubt_too(void **state)
{
    (void)state;
    static const char *const ends[] = {"before_commit", "after_commit"};
    for (size_t i = 0; i < 2; i++) {
        outbox *o = in_doubt(ends[i]);
        proc_fixture *relay = relay_start_leading(o, loose);
        publish(o->conn, o->topic, NULL, 20);
        expect_drained(o);
        relay_stop(relay);
        relay = relay_start_leading(o, exact);
        publish(o->conn, o->topic, NULL, 20);
        end(o, relay);
    }
}

static void a_database_and_a_kafka_that_do_not_agree_are_refused_and_at_least_once_goes_on(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    pg_run(o->conn, "UPDATE postbus.progress SET at = at - interval '2 hours', kafka_before = 77 WHERE "
                    "intent IS NOT NULL");
    proc_fixture *relay = relay_start(o, exact);
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 1);
    proc_fixture_expect_log(relay, "do not agree", 0);
    proc_fixture_free(relay);
    pg_expect(o->conn, "20", "SELECT pending FROM postbus.backlog()");
    relay = relay_start(o, loose);
    proc_fixture_expect_log(relay, "intent.guessed", SOON_MS);
    expect_drained(o);
    assert_int_equal(expect_all_arrived(o, o->topic).n_repeated, 20);
    relay_stop(relay);
    outbox_free(o);
}

static bool is_stopped(void *arg)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)proc_fixture_pid(arg));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %*s %c", &state), 1);
    fclose(file);
    return state == 'T';
}

static void set_standbys(PGconn *conn, const char *names)
{
    pg_run(conn, "ALTER SYSTEM SET synchronous_standby_names = '%s'", names);
    pg_run(conn, "SELECT pg_reload_conf()");
}

typedef struct probe {
    PGconn *conn, *other;
} probe;

static bool commit_waits(void *arg)
{
    const probe *p = arg;
    PQconsumeInput(p->conn);
    if (!PQisBusy(p->conn)) {
        for (PGresult *res; (res = PQgetResult(p->conn));)
            PQclear(res);
        PQsendQuery(p->conn, "SELECT pg_logical_emit_message(true, 'probe', '')");
    }
    return pg_number(p->other,
                     "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event = 'SyncRep'",
                     PQbackendPID(p->conn)) == 1;
}

/* The setting holds from when the checkpointer has read it, not from when it was reloaded. */
static void expect_commits_wait(PGconn *other)
{
    probe p = {.conn = pg_fixture_connect(stage_pg, NULL, NULL), .other = other};
    assert_true(wait_until(commit_waits, &p, SOON_MS));
    PQfinish(p.conn);
}

/* The commit of the intent waits for a standby that never comes, and its session ends: it is durable, and the relay never hears of it. */
static void a_commit_of_postgresql_without_an_answer_is_resolved(void **state)
{
    (void)state;
    static const char *const patient[] = {"--delivery=exactly_once", "--lease-ms=600000", NULL};
    static const char waiting[] = "FROM pg_stat_activity WHERE usename = 'relay' AND wait_event = 'SyncRep'";
    char sql[200];
    outbox *o = outbox_new();
    PGconn *other = pg_fixture_connect(stage_pg, NULL, NULL);
    proc_fixture *relay = relay_start_freezing(o, "before_intent", patient);
    publish(o->conn, o->topic, NULL, 30);
    assert_true(wait_until(is_stopped, relay, SOON_MS));
    pg_run(other, "SET synchronous_commit = local");
    set_standbys(other, "nobody");
    expect_commits_wait(other);
    proc_fixture_signal(relay, SIGCONT);
    snprintf(sql, sizeof sql, "SELECT count(*) %s", waiting);
    expect_sql(other, sql);
    pg_run(other, "SELECT pg_terminate_backend(pid) %s", waiting);
    set_standbys(other, "");
    PQfinish(other);
    proc_fixture_expect_log(relay, "session.lost", SOON_MS);
    proc_fixture_expect_log(relay, "outcome=aborted", 4 * SOON_MS);
    end(o, relay);
}

/* ---- zombies ---- */

static const char *const zombie_points[] = {"after_produce", "before_intent", "after_intent",
                                            "before_commit"};

/* It stands still in the middle of a transaction, another takes over, and it wakes: nothing of its own is ever seen. */
static void a_zombie_is_fenced(void **state)
{
    const char *point = *state;
    outbox *o = outbox_new();
    if (PQserverVersion(o->conn) < 140000)
        skip();
    proc_fixture *zombie = relay_start_freezing(o, point, lasting);
    proc_fixture_expect_log(zombie, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture *other = relay_start(o, lasting);
    proc_fixture_expect_log(other, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    expect_drained(o);
    expect_each_committed_once(o, o->topic);
    proc_fixture_signal(zombie, SIGCONT);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture_expect_log(zombie, "session.lost", SOON_MS);
    proc_fixture_expect_log(zombie, "leader.waiting", SOON_MS);
    expect_drained(o);
    relay_stop(zombie);
    end(o, other);
}

static void fence(const char *transactional_id)
{
    char message[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_fixture_brokers(stage_kafka), NULL, 0);
    rd_kafka_conf_set(conf, "transactional.id", transactional_id, NULL, 0);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof message);
    assert_non_null(producer);
    assert_null(rd_kafka_init_transactions(producer, SOON_MS));
    rd_kafka_destroy(producer);
}

/* Its session with PostgreSQL lives, so that it does not know better: the brokers alone refuse it. */
static void a_producer_that_another_one_replaced_commits_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    char *id = pg_text(o->conn, "SELECT 'postbus-' || outbox_id FROM postbus.instance");
    fence(id);
    free(id);
    publish(o->conn, o->topic, NULL, 10);
    proc_fixture_expect_log(relay, "producer.fenced", SOON_MS);
    end(o, relay);
}

/* ---- servers that die ---- */

static void each_event_is_seen_once_over_lost_sessions_and_a_crash_of_postgresql(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact);
    for (int i = 0; i < 3; i++) {
        publish(o->conn, o->topic, NULL, 200);
        pg_run(o->conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND usename = 'relay'");
        proc_fixture_expect_log(relay, "session.lost", SOON_MS);
        proc_fixture_expect_log(relay, "leader.elected", 4 * SOON_MS);
        publish(o->conn, o->topic, NULL, 50);
    }
    pg_fixture_restart(stage_pg, PG_STOP_IMMEDIATE);
    PQreset(o->conn);
    publish(o->conn, o->topic, NULL, 100);
    end(o, relay);
}

static void each_event_is_seen_once_over_a_crash_of_the_broker(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact);
    publish(o->conn, o->topic, NULL, 500);
    expect_sql(o->conn, "SELECT count(*) FROM postbus.progress WHERE intent IS NOT NULL");
    kafka_fixture_kill(stage_kafka);
    publish(o->conn, o->topic, NULL, 100);
    kafka_fixture_start(stage_kafka);
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
    end(o, relay);
}

/* ---- parking ---- */

/* n events of five keys in turn; number `large` does not fit a small topic. */
static void publish_with(const outbox *o, int n, int large)
{
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', convert_to('k' || i %% 5, 'UTF8'), "
           "convert_to(repeat('x', CASE WHEN i = %d THEN 30000 ELSE 10 END), 'UTF8') FROM generate_series(1, "
           "%d) i",
           o->topic, large, n);
}

static void redrive_all(const outbox *o)
{
    pg_run(o->conn, "SELECT postbus.redrive(why => 'limit raised')");
}

static void a_refused_record_is_parked_and_redriven_in_order(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    proc_fixture *relay = relay_start_leading(o, exact);
    publish_with(o, 100, 23);
    publish_with(o, 20, 0);
    expect_nothing_pending(o);
    assert_int_equal(pg_number(o->conn, "SELECT parked FROM postbus.backlog()"), 20);
    pg_expect(o->conn, "record_too_large", "SELECT reason FROM postbus.parked WHERE waits_for = 'operator'");
    redrive_all(o);
    expect_sql(o->conn, "SELECT (attempts = 2)::int FROM postbus.parked WHERE waits_for = 'operator'");
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    end(o, relay);
}

/* The relay does not know the topic's limit any more, and sends it among others. */
static void a_record_refused_among_others_is_found(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    publish_with(o, 200, 123);
    expect_nothing_pending(o);
    pg_expect(o->conn, "1", "SELECT count(*) FROM postbus.parked WHERE waits_for = 'operator'");
    assert_int_equal(pg_number(o->conn, "SELECT parked FROM postbus.backlog()"), 16);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    end(o, relay);
}

static const char *const parking_points[] = {"after_refusal", "after_park",     "before_commit:2",
                                             "after_redrive", "after_redriven", "after_discard"};

static void nothing_is_seen_twice_over_a_crash_while_parking(void **state)
{
    const char *point = *state;
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, small);
    publish_with(o, 100, 23);
    publish_with(o, 100, 24);
    proc_fixture *relay = relay_start_crashing(o, point, exact);
    if (strncmp(point, "after_re", 8) == 0 ? strcmp(point, "after_refusal") != 0
                                           : strcmp(point, "after_discard") == 0) {
        expect_nothing_pending(o);
        kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
        pg_run(o->conn, "SELECT postbus.discard(23, 'gone')");
        redrive_all(o);
    }
    expect_dead(relay);
    relay = relay_start_leading(o, exact);
    expect_nothing_pending(o);
    kafka_fixture_configure_topic(stage_kafka, o->topic, NULL);
    redrive_all(o);
    publish_with(o, 50, 0);
    expect_drained(o);
    pg_run(o->conn, "DELETE FROM postbus.outbox o USING postbus.dead d WHERE d.id = o.id");
    end(o, relay);
}

static const char *const lane_points[] = {"", "before_intent", "after_intent", "before_commit",
                                          "after_commit"};

/* The first transaction is one of the lane: all other events are parked. */
static void a_lane_drains_once_and_in_order_over_a_crash(void **state)
{
    const char *point = *state;
    outbox *o = outbox_new();
    free(o->topic);
    o->topic = kafka_fixture_new_name("later");
    publish(o->conn, o->topic, NULL, 100);
    proc_fixture *relay = relay_start_crashing(o, point, exact);
    expect_sql(o->conn, "SELECT (parked = 100)::int FROM postbus.backlog()");
    kafka_fixture_create_topic(stage_kafka, o->topic, 1, NULL);
    if (*point) {
        expect_dead(relay);
        publish(o->conn, o->topic, NULL, 20);
        relay = relay_start_leading(o, exact);
    }
    publish(o->conn, o->topic, NULL, 20);
    end(o, relay);
}

static size_t add_all(struct CMUnitTest *to, CMUnitTestFunction test, const char *const *states, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (struct CMUnitTest){
            .name = states[i], .test_func = test, .initial_state = (void *)(uintptr_t)states[i]};
    return n;
}

#define ADD_ALL(test, states) n += add_all(tests + n, test, states, sizeof states / sizeof states[0])

int main(void)
{
    struct CMUnitTest tests[60];
    size_t n = 0;
    const struct CMUnitTest others[] = {
        cmocka_unit_test(what_is_in_doubt_counts_as_pending_until_it_is_known_to_be_committed),
        cmocka_unit_test(what_was_not_committed_is_taken_back_and_sent_again),
        cmocka_unit_test(a_relay_that_is_set_back_to_at_least_once_resolves_the_doubt_too),
        cmocka_unit_test(a_rebase_takes_back_what_is_in_doubt_and_publishes_it_again),
        cmocka_unit_test(a_database_and_a_kafka_that_do_not_agree_are_refused_and_at_least_once_goes_on),
        cmocka_unit_test(a_commit_of_postgresql_without_an_answer_is_resolved),
        cmocka_unit_test(a_producer_that_another_one_replaced_commits_nothing),
        cmocka_unit_test(a_refused_record_is_parked_and_redriven_in_order),
        cmocka_unit_test(a_record_refused_among_others_is_found),
        cmocka_unit_test(each_event_is_seen_once_over_lost_sessions_and_a_crash_of_postgresql),
        cmocka_unit_test(each_event_is_seen_once_over_a_crash_of_the_broker),
    };
    ADD_ALL(each_event_is_seen_once_over_a_crash, points);
    ADD_ALL(a_zombie_is_fenced, zombie_points);
    ADD_ALL(nothing_is_seen_twice_over_a_crash_while_parking, parking_points);
    ADD_ALL(a_lane_drains_once_and_in_order_over_a_crash, lane_points);
    memcpy(tests + n, others, sizeof others);
    n += sizeof others / sizeof others[0];
    if (getenv("POSTBUS_ONLY"))
        cmocka_set_test_filter(getenv("POSTBUS_ONLY"));
    return _cmocka_run_group_tests("exactly_once", tests, n, stage_open_with_own_broker, stage_close);
}
