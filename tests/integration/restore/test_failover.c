/* A promoted standby, and a recovery to an earlier point: the relay goes on by itself, and no event gets the id of one that was lost. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From now on the standby lacks what the primary commits. */
static void cut_off(const pg_fixture *standby)
{
    PGconn *conn = shop_connect(standby);
    pg_fixture_configure(standby, "primary_conninfo", "");
    pg_run(conn, "SELECT pg_reload_conf()");
    expect_sql(conn, "SELECT (count(*) = 0)::int FROM pg_stat_wal_receiver");
    PQfinish(conn);
}

/* ---- load ---- */

typedef struct load {
    PGconn *conn;
    const char *topic;
    atomic_int number; /* of the last event tried */
    pthread_t thread;
} load;

/* Until the server is gone. */
static void *publish_on(void *arg)
{
    load *w = arg;
    char sql[200];
    for (;;) {
        int i = atomic_fetch_add(&w->number, 1) + 1;
        snprintf(sql, sizeof sql, "SELECT postbus.publish('%s', 'v%d', 'k%d')", w->topic, i, i % 5);
        PGresult *res = PQexec(w->conn, sql);
        bool done = PQresultStatus(res) == PGRES_TUPLES_OK;
        PQclear(res);
        if (!done)
            return NULL;
    }
}

static void a_synchronous_standby_is_promoted_under_load_and_nobody_is_needed(void **state)
{
    (void)state;
    char *topic = topic_new(), sql[200];
    pg_fixture *primary = shop_new(NULL), *standby = shop_follow(primary);
    PGconn *conn = shop_connect(primary);
    pg_run(conn, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    pg_run(conn, "SELECT pg_reload_conf()");
    expect_sql(conn, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'");
    proc_fixture *relay = relay_start(primary, standby);
    relay_expect_leading(relay);
    load w = {.conn = shop_connect(primary), .topic = topic, .number = 1000000};
    assert_int_equal(pthread_create(&w.thread, NULL, publish_on, &w), 0);
    expect_sql(conn, "SELECT (published > 300)::int FROM postbus.current_progress");
    pg_fixture_stop(primary, PG_STOP_IMMEDIATE);
    pthread_join(w.thread, NULL);
    pg_fixture_configure(standby, "synchronous_standby_names", "");
    pg_fixture_promote(standby);
    PQfinish(conn);
    conn = shop_connect(standby);
    relay_expect_leading(relay);
    for (int i = 0, from = w.number; i < 50; i++) {
        snprintf(sql, sizeof sql, "SELECT postbus.publish('%s', 'v%d', 'k%d')", topic, from + i + 1,
                 (from + i + 1) % 5);
        pg_run(conn, "%s", sql);
    }
    expect_drained(conn);
    char *log = proc_fixture_log(relay);
    assert_non_null(strstr(log, "timeline.changed"));
    assert_null(strstr(log, "database.behind"));
    free(log);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, pg_number(conn, "SELECT count(*) FROM postbus.outbox"));
    assert_int_equal(pg_number(conn, "SELECT postbus.adrift()::int"), 0);
    relay_stop(relay);
    PQfinish(w.conn);
    PQfinish(conn);
    pg_fixture_free(standby);
    pg_fixture_free(primary);
    free(topic);
}

/* ---- lost commits ---- */

/* 40 events that the standby has, 60 that it lacks; all of them are in Kafka. */
static pg_fixture *lose_commits(pg_fixture *primary, const char *topic, proc_fixture **out_relay)
{
    pg_fixture *standby = shop_follow(primary);
    PGconn *conn = shop_connect(primary);
    *out_relay = relay_start(primary, standby);
    relay_expect_leading(*out_relay);
    publish(conn, topic, 40);
    expect_drained(conn);
    expect_caught_up(conn);
    cut_off(standby);
    publish(conn, topic, 60);
    expect_drained(conn);
    PQfinish(conn);
    return standby;
}

static void events_of_lost_commits_share_no_id_with_later_ones(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *primary = shop_new(NULL);
    proc_fixture *relay;
    pg_fixture *standby = lose_commits(primary, topic, &relay);
    proc_fixture_signal(relay, SIGSTOP);
    pg_fixture_stop(primary, PG_STOP_IMMEDIATE);
    pg_fixture_promote(standby);
    PGconn *conn = shop_connect(standby);
    publish(conn, topic, 10);
    /* Ids are handed out again: without this the test would show nothing. */
    assert_in_range(
        pg_number(conn,
                  "SELECT id FROM postbus.outbox WHERE xid::text::bigint > (SELECT x2::text::bigint FROM "
                  "postbus.current_progress) ORDER BY id LIMIT 1"),
        1, 90);
    proc_fixture_signal(relay, SIGCONT);
    proc_fixture_expect_log(relay, "timeline.changed", SOON_MS);
    proc_fixture_expect_log(relay, "database.behind", SOON_MS);
    relay_expect_leading(relay);
    publish(conn, topic, 50);
    assert_true(
        pg_number(conn,
                  "SELECT count(*) FROM postbus.outbox WHERE id > 40 AND id <= 100 AND event_id IS NULL") >
        0);
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 40 + 60 + 10 + 50);
    assert_in_range(f.n_repeated, 0, 40);
    /* At home again, ids are derived as ever, and lead back to the row. */
    assert_int_equal(pg_number(conn, "SELECT postbus.adrift()::int"), 0);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox WHERE event_id IS NULL"), 40 + 50);
    assert_int_equal(pg_number(conn,
                               "SELECT count(*) FROM postbus.outbox WHERE event_id IS NULL AND postbus.id_of("
                               "postbus.event_id(id)) = id"),
                     40 + 50);
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_free(standby);
    pg_fixture_free(primary);
    free(topic);
}

/* What a publisher is told between the promotion and the relay's return is what subscribers see. */
static void a_publisher_is_told_the_ids_that_its_events_get_before_a_relay_is_back(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *primary = shop_new(NULL);
    proc_fixture *relay;
    pg_fixture *standby = lose_commits(primary, topic, &relay);
    relay_kill(relay);
    pg_fixture_stop(primary, PG_STOP_IMMEDIATE);
    pg_fixture_promote(standby);
    PGconn *conn = shop_connect(standby);
    static const char compare[] =
        "SELECT count(*) FROM told t JOIN postbus.outbox o USING (id) WHERE t.event_id = o.event_id";
    pg_run(conn, "CREATE TABLE told (id bigint, event_id uuid)");
    pg_run(conn,
           "BEGIN; INSERT INTO told SELECT * FROM postbus.publish_batch(ARRAY['%s', '%s'], ARRAY['v1', "
           "'v2']::bytea[])",
           topic, topic);
    pg_run(conn,
           "SAVEPOINT s; INSERT INTO told SELECT * FROM postbus.publish_batch(ARRAY['%s'], "
           "ARRAY['v3']::bytea[]); ROLLBACK TO s",
           topic);
    pg_run(conn, "INSERT INTO told SELECT p, postbus.event_id(p) FROM postbus.publish('%s', 'v4') p; COMMIT",
           topic);
    pg_run(conn, "INSERT INTO told SELECT p, postbus.event_id(p) FROM postbus.publish('%s', 'v5') p", topic);
    pg_run(conn,
           "SET postbus.ring = off; INSERT INTO told SELECT p, postbus.event_id(p) FROM "
           "postbus.publish('%s', 'v6') p",
           topic);
    pg_run(
        conn,
        "INSERT INTO told SELECT id, event_id FROM postbus.publish_batch(ARRAY['%s'], ARRAY['v7']::bytea[], "
        "event_ids => ARRAY['11111111-2222-4333-8444-555555555555'::uuid])",
        topic);
    assert_int_equal(pg_number(conn, "%s", compare), 6);
    assert_int_equal(pg_number(conn, "SELECT count(DISTINCT event_id) FROM told"), 6);
    PQfinish(conn);
    pg_fixture_free(standby);
    pg_fixture_free(primary);
    free(topic);
}

/* Prepared before the promotion: its ids are of then. Begun after it and committed after the relay is back: they are of its own. */
static void transactions_that_outlast_the_change_keep_unique_ids(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *primary = shop_new(NULL), *standby = shop_follow(primary);
    PGconn *conn = shop_connect(primary);
    pg_run(conn,
           "SET postbus.ring = off; BEGIN; SELECT postbus.publish('%s', 'v0', 'prepared'); PREPARE "
           "TRANSACTION 'p'",
           topic);
    char *before = pg_text(conn, "SELECT postbus.event_id(1)");
    expect_caught_up(conn);
    PQfinish(conn);
    pg_fixture_stop(primary, PG_STOP_IMMEDIATE);
    pg_fixture_promote(standby);
    conn = shop_connect(standby);
    PGconn *slow = shop_connect(standby);
    pg_run(slow, "BEGIN; SELECT postbus.publish('%s', 'v900', 'slow')", topic);
    proc_fixture *relay = relay_start(standby, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 10);
    pg_run(slow, "SELECT postbus.publish('%s', 'v901', 'slow'); COMMIT", topic);
    pg_run(conn, "COMMIT PREPARED 'p'");
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 13);
    assert_int_equal(f.n_repeated, 0);
    pg_expect(conn, before, "SELECT event_id FROM postbus.event WHERE id = 1");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox WHERE event_id IS NOT NULL"), 2);
    free(before);
    relay_stop(relay);
    PQfinish(slow);
    PQfinish(conn);
    pg_fixture_free(standby);
    pg_fixture_free(primary);
    free(topic);
}

static void after_a_recovery_to_an_earlier_point_the_relay_goes_on_and_no_id_comes_again(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *primary = shop_new(NULL), *recovered = pg_fixture_new_backup(primary);
    PGconn *conn = shop_connect(primary);
    proc_fixture *relay = relay_start(primary, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 30);
    expect_drained(conn);
    relay_kill(relay);
    publish(conn, topic, 10);
    pg_run(conn, "SELECT pg_create_restore_point('here')");
    relay = relay_start(primary, NULL);
    publish(conn, topic, 60);
    expect_drained(conn);
    relay_stop(relay);
    pg_fixture_configure(recovered, "recovery_target_name", "here");
    pg_fixture_configure(recovered, "recovery_target_action", "promote");
    pg_fixture_start(recovered);
    PQfinish(conn);
    conn = shop_connect(recovered);
    expect_sql(conn, "SELECT (NOT pg_is_in_recovery())::int");
    pg_fixture_stop(primary, PG_STOP_IMMEDIATE);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox"), 40);
    publish(conn, topic, 50);
    relay = relay_start(recovered, NULL);
    proc_fixture_expect_log(relay, "timeline.changed", SOON_MS);
    relay_expect_leading(relay);
    publish(conn, topic, 20);
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 30 + 10 + 60 + 50 + 20);
    assert_int_equal(f.n_repeated, 10);
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_free(recovered);
    pg_fixture_free(primary);
    free(topic);
}

/* age() tells the next xid as of its first call in a transaction, and the relay asks twice in one. Seen to keep it from adopting a new timeline under load. */
static void who_publishes_meanwhile_does_not_make_the_outbox_look_ahead_of_its_cluster(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg), *other = shop_connect(pg);
    pg_run(conn, "BEGIN; SELECT * FROM postbus.whereabouts()");
    publish(other, topic, 10);
    assert_int_equal(
        pg_number(conn,
                  "SELECT count(*) FROM postbus.whereabouts() WHERE coalesce(strayed, ahead) IS NOT NULL"),
        0);
    PQfinish(other);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_publishes_meanwhile_does_not_make_the_outbox_look_ahead_of_its_cluster),
        cmocka_unit_test(a_synchronous_standby_is_promoted_under_load_and_nobody_is_needed),
        cmocka_unit_test(events_of_lost_commits_share_no_id_with_later_ones),
        cmocka_unit_test(a_publisher_is_told_the_ids_that_its_events_get_before_a_relay_is_back),
        cmocka_unit_test(transactions_that_outlast_the_change_keep_unique_ids),
        cmocka_unit_test(after_a_recovery_to_an_earlier_point_the_relay_goes_on_and_no_id_comes_again),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
