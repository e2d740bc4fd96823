/* A leaf is emptied while a query on a standby reads it: replay stands still there, and nobody on the primary does. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <stdio.h>
#include <stdlib.h>

/* What may not go on before replay does. */
#define REPLAY_WAITS                                                                                         \
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event_type = 'Lock'"

typedef struct scene {
    pg_fixture *primary, *standby;
    PGconn *conn, *reader, *observer; /* the publishers', and two of the standby */
    char *topic;
    proc_fixture *relay;
} scene;

static void standby_configure(const scene *s, const char *hot_standby_feedback)
{
    pg_fixture_configure(s->standby, "max_standby_streaming_delay", "-1");
    pg_fixture_configure(s->standby, "hot_standby_feedback", hot_standby_feedback);
    pg_fixture_configure(s->standby, "wal_receiver_status_interval", "1");
    pg_run(s->observer, "SELECT pg_reload_conf()");
    expect_sql(s->observer, "SELECT (current_setting('max_standby_streaming_delay') = '-1')::int");
}

/* A synchronous standby that never cancels a query, and a relay whose role would wait for replay if it were up to its settings. */
static scene scene_new(const char *hot_standby_feedback)
{
    static const char *const flags[] = {"--retention-ms", "100", "--retention-check-ms", "20", NULL};
    scene s = {.primary = shop_new(NULL), .topic = topic_new()};
    s.standby = shop_follow(s.primary);
    s.conn = shop_connect(s.primary);
    s.reader = shop_connect(s.standby);
    s.observer = shop_connect(s.standby);
    standby_configure(&s, hot_standby_feedback);
    pg_run(s.conn, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    pg_run(s.conn, "SELECT pg_reload_conf()");
    expect_sql(s.conn, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'");
    pg_run(s.conn, "ALTER ROLE relay SET synchronous_commit = remote_apply");
    publish(s.conn, s.topic, 50);
    expect_caught_up(s.conn);
    pg_run(s.reader, "BEGIN; SELECT count(*) FROM postbus.outbox_0");
    s.relay = relay_start_with(s.primary, NULL, flags);
    relay_expect_leading(s.relay);
    return s;
}

static void scene_free(scene *s)
{
    relay_stop(s->relay);
    PQfinish(s->conn);
    PQfinish(s->reader);
    PQfinish(s->observer);
    pg_fixture_free(s->standby);
    pg_fixture_free(s->primary);
    free(s->topic);
}

/* ---- commits that may stall ---- */

static bool is_answered(void *arg)
{
    PGconn *conn = arg;
    return PQconsumeInput(conn) == 1 && !PQisBusy(conn);
}

static void send_publish(PGconn *conn, const char *topic)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT postbus.publish('%s', 'v900000', 'other')", topic);
    assert_int_equal(PQsendQuery(conn, sql), 1);
}

static void expect_committed(PGconn *conn)
{
    if (!wait_until(is_answered, conn, SOON_MS))
        fail_msg("a commit waits for replay");
    for (PGresult *res; (res = PQgetResult(conn)) != NULL; PQclear(res))
        assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
}

static bool publish_and_listen(void *arg)
{
    const scene *s = arg;
    send_publish(s->conn, s->topic);
    expect_committed(s->conn);
    return proc_fixture_wait_log(s->relay, "retention.cleared leaf=0", 1);
}

/* ---- the tests ---- */

/* The reader sees its rows until it ends: its lock, on the standby, is what replay waits for. */
static void check_commits_go_on(const char *hot_standby_feedback)
{
    scene s = scene_new(hot_standby_feedback);
    if (!wait_until(publish_and_listen, &s, SOON_MS))
        proc_fixture_expect_log(s.relay, "retention.cleared leaf=0", 1);
    expect_sql(s.observer, REPLAY_WAITS);
    for (int i = 0; i < 20; i++) {
        send_publish(s.conn, s.topic);
        expect_committed(s.conn);
    }
    expect_drained(s.conn);
    assert_int_equal(pg_number(s.conn, "SELECT count(*) FROM postbus.outbox_0"), 0);
    expect_sql(s.observer, REPLAY_WAITS);
    assert_true(pg_number(s.reader, "SELECT count(*) FROM postbus.outbox_0") >= 50);
    pg_run(s.reader, "COMMIT");
    expect_sql(s.reader, "SELECT (count(*) = 0)::int FROM postbus.outbox_0");
    expect_sql(s.conn, "SELECT (count(*) > 0)::int FROM pg_stat_replication WHERE sync_state = 'sync'");
    scene_free(&s);
}

static void a_query_on_a_standby_holds_up_replay_and_no_commit(void **state)
{
    (void)state;
    check_commits_go_on("off");
}

static void nor_does_it_where_the_standby_gives_feedback(void **state)
{
    (void)state;
    check_commits_go_on("on");
}

/* As docs/guarantees.md says. With a ring it would hold PostgreSQL's lock of notifications meanwhile, and all who ring would wait, too. */
static void who_commits_with_remote_apply_waits_for_the_query_and_the_relay_does_not(void **state)
{
    (void)state;
    scene s = scene_new("off");
    PGconn *patient = shop_connect(s.primary);
    if (!wait_until(publish_and_listen, &s, SOON_MS))
        proc_fixture_expect_log(s.relay, "retention.cleared leaf=0", 1);
    expect_sql(s.observer, REPLAY_WAITS);
    pg_run(patient, "SET synchronous_commit = remote_apply; SET postbus.ring = off");
    send_publish(patient, s.topic);
    expect_sql(s.conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    send_publish(s.conn, s.topic);
    expect_committed(s.conn);
    /* The relay settles meanwhile what others published. */
    expect_sql(s.conn, "SELECT (pending <= 1)::int FROM postbus.backlog()");
    assert_false(is_answered(patient));
    pg_run(s.reader, "COMMIT");
    expect_committed(patient);
    expect_drained(s.conn);
    PQfinish(patient);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_on_a_standby_holds_up_replay_and_no_commit),
        cmocka_unit_test(nor_does_it_where_the_standby_gives_feedback),
        cmocka_unit_test(who_commits_with_remote_apply_waits_for_the_query_and_the_relay_does_not),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
