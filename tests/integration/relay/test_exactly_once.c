/* Exactly-once delivery in doubt: what was committed is found out, not guessed, whatever server died or came back with less than it had. */
#include "cmocka_all.h"
#include "exact.h"
#include "kafka_admin.h"
#include "pg_query.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

static const char *const loose[] = {"--page-rows=25", NULL};

/* ---- doubt ---- */

/* Leaves an intent whose Kafka transaction was, or was not, committed. */
static outbox *in_doubt(const char *point)
{
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 20);
    exact_expect_dead(relay_start_crashing(o, point, exact_flags));
    pg_expect(o->conn, "t", "SELECT intent IS NOT NULL FROM postbus.progress ORDER BY n DESC LIMIT 1");
    pg_expect(o->conn, "20", "SELECT pending FROM postbus.backlog()");
    return o;
}

static void what_is_in_doubt_counts_as_pending_until_it_is_known_to_be_committed(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    proc_fixture *relay = relay_start(o, exact_flags);
    proc_fixture_expect_log(relay, "outcome=committed", SOON_MS);
    expect_drained(o);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 20, SOON_MS);
    assert_int_equal(all.n_rows, 20);
    topic_records_done(&all);
    exact_end(o, relay);
}

static void what_was_not_committed_is_taken_back_and_sent_again(void **state)
{
    (void)state;
    outbox *o = in_doubt("before_commit");
    proc_fixture *relay = relay_start(o, exact_flags);
    proc_fixture_expect_log(relay, "outcome=aborted", SOON_MS);
    exact_end(o, relay);
}

/* Kafka is not there to be asked, and another history would answer with numbers that mean something else. */
static void a_rebase_takes_back_what_is_in_doubt_and_publishes_it_again(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    pg_run(o->conn, "SELECT postbus.rebase()");
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.receipt");
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 5);
    expect_drained(o);
    relay_stop(relay);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 45, SOON_MS);
    assert_int_equal(all.n_rows, 45);
    topic_records_done(&all);
    outbox_free(o);
}

/* It stands by while the rebase is under way, and has looked at the database before. */
static void a_relay_that_waited_for_a_rebase_leads_under_the_id_of_then(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *other = outbox_connect(o);
    pg_run(other, "BEGIN");
    pg_run(other, "SELECT postbus.rebase()");
    proc_fixture *relay = relay_start_crashing(o, "after_commit", exact_flags);
    proc_fixture_expect_log(relay, "leader.waiting", SOON_MS);
    pg_run(other, "COMMIT");
    PQfinish(other);
    publish(o->conn, o->topic, NULL, 20);
    exact_expect_dead(relay);
    relay = relay_start(o, exact_flags);
    proc_fixture_expect_log(relay, "outcome=committed", SOON_MS);
    exact_end(o, relay);
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
        relay = relay_start_leading(o, exact_flags);
        publish(o->conn, o->topic, NULL, 20);
        exact_end(o, relay);
    }
}

static void expect_refused(const outbox *o)
{
    proc_fixture *relay = relay_start(o, exact_flags);
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 1);
    proc_fixture_expect_log(relay, "do not agree", 0);
    proc_fixture_free(relay);
}

static void a_database_and_a_kafka_that_do_not_agree_are_refused_and_at_least_once_goes_on(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    pg_run(o->conn, "UPDATE postbus.progress SET at = at - interval '2 hours', kafka_before = 77 WHERE "
                    "intent IS NOT NULL");
    expect_refused(o);
    pg_expect(o->conn, "20", "SELECT pending FROM postbus.backlog()");
    proc_fixture *relay = relay_start(o, loose);
    proc_fixture_expect_log(relay, "intent.guessed", SOON_MS);
    expect_drained(o);
    assert_int_equal(expect_all_arrived(o, o->topic).n_repeated, 20);
    relay_stop(relay);
    outbox_free(o);
}

/* As if the brokers' retention of offsets had passed; the outbox is that of a relay that stood still as long. */
static void forget_position(const outbox *o)
{
    char message[256], *group = pg_text(o->conn, "SELECT 'postbus-' || outbox_id FROM postbus.instance");
    if (!kafka_admin_delete_group(kafka_fixture_brokers(stage_kafka), group, message, sizeof message))
        fail_msg("%s", message);
    free(group);
    pg_run(o->conn, "UPDATE postbus.progress SET at = at - interval '8 days' WHERE intent IS NOT NULL");
}

/* The outbox's first transaction, before which Kafka held nothing either. */
static void a_position_that_has_expired_does_not_say_that_nothing_was_committed(void **state)
{
    (void)state;
    outbox *o = in_doubt("after_commit");
    forget_position(o);
    expect_refused(o);
    outbox_free(o);
}

/* What a standby that was behind looks like after its promotion: no intent is in doubt, and Kafka knows better. */
static void a_database_that_lacks_commits_is_refused_until_it_is_rebased(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 20);
    expect_drained(o);
    relay_stop(relay);
    pg_run(o->conn,
           "DELETE FROM postbus.progress WHERE n > (SELECT min(n) FROM postbus.progress); DELETE FROM "
           "postbus.receipt");
    expect_refused(o);
    pg_expect(o->conn, "20", "SELECT pending FROM postbus.backlog()");
    pg_run(o->conn, "SELECT postbus.rebase()");
    relay = relay_start_leading(o, exact_flags);
    expect_drained(o);
    assert_int_equal(expect_all_arrived(o, o->topic).n_repeated, 20);
    relay_stop(relay);
    outbox_free(o);
}

/* An old primary that takes writes again after another server led: Kafka's last transaction is that one's, and here its number is another row's. */
static void a_database_that_counted_past_another_history_s_transaction_is_refused(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 20);
    expect_drained(o);
    relay_stop(relay);
    relay_stop(relay_start_leading(o, exact_flags));
    pg_run(o->conn, "UPDATE postbus.progress SET at = at - interval '1 second' WHERE intent IS NOT NULL");
    expect_refused(o);
    outbox_free(o);
}

/* A copy brings receipts whose intents were numbered elsewhere; here the same number is given out once more. */
static void what_another_cluster_numbered_alike_is_not_taken_back(void **state)
{
    (void)state;
    outbox *o = in_doubt("before_commit");
    pg_run(o->conn,
           "INSERT INTO postbus.receipt SELECT (jsonb_populate_record(r, jsonb_build_object('intent', "
           "(SELECT max(intent::text::bigint) FROM postbus.progress)::text, 'acked_at', 'epoch'))).* FROM "
           "postbus.receipt r LIMIT 1");
    proc_fixture *relay = relay_start(o, exact_flags);
    proc_fixture_expect_log(relay, "outcome=aborted", SOON_MS);
    expect_drained(o);
    relay_stop(relay);
    pg_expect(o->conn, "1", "SELECT count(*) FROM postbus.receipt WHERE acked_at = 'epoch'");
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
    pg_fixture_hold_commits(stage_pg);
    proc_fixture_signal(relay, SIGCONT);
    snprintf(sql, sizeof sql, "SELECT count(*) %s", waiting);
    expect_sql(other, sql);
    pg_run(other, "SELECT pg_terminate_backend(pid) %s", waiting);
    pg_fixture_release_commits(stage_pg);
    PQfinish(other);
    proc_fixture_expect_log(relay, "session.lost", SOON_MS);
    proc_fixture_expect_log(relay, "outcome=aborted", 2 * SOON_MS);
    exact_end(o, relay);
}

/* What it looks up before it leads takes longer than an answer about its lease is good for. */
static void looking_up_what_waits_for_longer_than_a_lease_costs_no_lead(void **state)
{
    (void)state;
    static const char *const lasting[] = {"--delivery=exactly_once", "--lease-ms=6000", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_held_up(o, lasting, "3500 milliseconds");
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    char *log = proc_fixture_log(relay);
    assert_null(strstr(log, "session.lost"));
    free(log);
    exact_end(o, relay);
}

/* ---- zombies ---- */

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
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    char *id = pg_text(o->conn, "SELECT 'postbus-' || outbox_id FROM postbus.instance");
    fence(id);
    free(id);
    publish(o->conn, o->topic, NULL, 10);
    proc_fixture_expect_log(relay, "producer.fenced", SOON_MS);
    exact_end(o, relay);
}

/* ---- servers that die ---- */

static void each_event_is_seen_once_over_lost_sessions_and_a_crash_of_postgresql(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    for (int i = 0; i < 3; i++) {
        publish(o->conn, o->topic, NULL, 200);
        pg_run(o->conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND usename = 'relay'");
        proc_fixture_expect_log(relay, "session.lost", SOON_MS);
        proc_fixture_expect_log(relay, "leader.elected", 2 * SOON_MS);
        publish(o->conn, o->topic, NULL, 50);
    }
    pg_fixture_restart(stage_pg, PG_STOP_IMMEDIATE);
    PQreset(o->conn);
    publish(o->conn, o->topic, NULL, 100);
    exact_end(o, relay);
}

static void each_event_is_seen_once_over_a_crash_of_the_broker(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, exact_flags);
    publish(o->conn, o->topic, NULL, 500);
    expect_sql(o->conn, "SELECT count(*) FROM postbus.progress WHERE intent IS NOT NULL");
    kafka_fixture_kill(stage_kafka);
    publish(o->conn, o->topic, NULL, 100);
    kafka_fixture_start(stage_kafka);
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
    exact_end(o, relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_doubt_counts_as_pending_until_it_is_known_to_be_committed),
        cmocka_unit_test(what_was_not_committed_is_taken_back_and_sent_again),
        cmocka_unit_test(a_relay_that_is_set_back_to_at_least_once_resolves_the_doubt_too),
        cmocka_unit_test(a_relay_that_waited_for_a_rebase_leads_under_the_id_of_then),
        cmocka_unit_test(a_rebase_takes_back_what_is_in_doubt_and_publishes_it_again),
        cmocka_unit_test(a_database_and_a_kafka_that_do_not_agree_are_refused_and_at_least_once_goes_on),
        cmocka_unit_test(a_position_that_has_expired_does_not_say_that_nothing_was_committed),
        cmocka_unit_test(a_database_that_lacks_commits_is_refused_until_it_is_rebased),
        cmocka_unit_test(a_database_that_counted_past_another_history_s_transaction_is_refused),
        cmocka_unit_test(what_another_cluster_numbered_alike_is_not_taken_back),
        cmocka_unit_test(a_commit_of_postgresql_without_an_answer_is_resolved),
        cmocka_unit_test(looking_up_what_waits_for_longer_than_a_lease_costs_no_lead),
        cmocka_unit_test(a_producer_that_another_one_replaced_commits_nothing),
        cmocka_unit_test(each_event_is_seen_once_over_lost_sessions_and_a_crash_of_postgresql),
        cmocka_unit_test(each_event_is_seen_once_over_a_crash_of_the_broker),
    };
    return cmocka_run_group_tests(tests, stage_open_with_own_broker, stage_close);
}
