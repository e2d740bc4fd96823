/* One relay leads, others take over; and a relay refuses, with the remedy, what it cannot serve. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"
#include "text_file.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void expect_refusal(proc_fixture *relay, const char *sentence)
{
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 1);
    char *log = proc_fixture_log(relay);
    if (!strstr(log, sentence) || !strstr(log, "relay.refused"))
        fail_msg("the log does not say \"%s\":\n%s", sentence, log);
    free(log);
    proc_fixture_free(relay);
}

/* ---- refusals ---- */

static void a_database_without_our_schema_is_refused_with_the_remedy(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn, "DROP SCHEMA postbus CASCADE");
    expect_refusal(relay_start(o, NULL), "postbus migrate");
    outbox_free(o);
}

static void a_role_without_postbus_relay_is_refused_with_the_remedy(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn, "REVOKE postbus_relay FROM relay");
    expect_refusal(relay_start(o, NULL), "GRANT postbus_relay");
    pg_run(o->conn, "GRANT postbus_relay TO relay");
    outbox_free(o);
}

static void a_sequence_that_hands_out_ids_in_advance_is_refused(void **state)
{
    (void)state;
    static const char *const changes[] = {"CACHE 10", "INCREMENT 2", "CYCLE"};
    outbox *o = outbox_new();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        pg_run(o->conn, "ALTER SEQUENCE postbus.outbox_id_seq %s", changes[i]);
        expect_refusal(relay_start(o, NULL), "CACHE 1, INCREMENT 1 and NO CYCLE");
        pg_run(o->conn, "ALTER SEQUENCE postbus.outbox_id_seq CACHE 1 INCREMENT 1 NO CYCLE");
    }
    proc_fixture *relay = relay_start_leading(o, NULL);
    relay_stop(relay);
    outbox_free(o);
}

static void a_database_of_another_cluster_is_refused(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn, "UPDATE postbus.instance SET system_identifier = system_identifier + 1");
    expect_refusal(relay_start(o, NULL), "another PostgreSQL cluster");
    outbox_free(o);
}

/* Of the second thirty, nothing says that they were published; of the first fifty, progress does. */
static void a_restored_outbox_goes_on_after_rebase_and_loses_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    publish(o->conn, o->topic, NULL, 50);
    expect_drained(o);
    assert_string_equal(pg_refused(o->conn, "SELECT postbus.rebase()"), "PB007");
    relay_stop(relay);
    publish(o->conn, o->topic, NULL, 30);
    pg_run(o->conn, "UPDATE postbus.instance SET system_identifier = system_identifier + 1");
    expect_refusal(relay_start(o, NULL), "postbus rebase");
    assert_int_equal(pg_number(o->conn, "SELECT postbus.rebase()"), 30);
    publish(o->conn, o->topic, NULL, 20);
    relay = relay_start_leading(o, NULL);
    expect_drained(o);
    relay_stop(relay);
    topic_records records = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 100, SOON_MS);
    assert_int_equal(records.n_rows, 100);
    for (size_t r = 0; r < records.n_rows; r++) {
        const char *id = topic_record_header(&records.rows[r], "id");
        assert_non_null(id);
        for (size_t before = 0; before < r; before++)
            assert_string_not_equal(id, topic_record_header(&records.rows[before], "id"));
    }
    topic_records_done(&records);
    outbox_free(o);
}

static proc_fixture *start_pooler(const char *directory, int port)
{
    char path[100], text[400];
    snprintf(path, sizeof path, "%s/pgbouncer.ini", directory);
    snprintf(
        text, sizeof text,
        "[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr = "
        "127.0.0.1\nlisten_port = %d\n"
        "unix_socket_dir =\nauth_type = any\nauth_file =\npool_mode = transaction\ndefault_pool_size = 1\n",
        pg_fixture_port(stage_pg), port);
    text_file_write(path, text);
    const char *const as_root[] = {
        "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "pgbouncer", path, NULL};
    return proc_fixture_start(geteuid() == 0 ? as_root : as_root + 4, NULL);
}

static void a_pooler_in_between_is_refused_and_keeps_nothing_of_the_relay(void **state)
{
    (void)state;
    if (access("/usr/sbin/pgbouncer", X_OK) != 0)
        skip();
    char directory[] = "/tmp/postbus-pooler.XXXXXX", conninfo[200], path[100];
    assert_non_null(mkdtemp(directory));
    char mode[200];
    snprintf(mode, sizeof mode, "chmod 755 %s", directory);
    assert_int_equal(system(mode), 0);
    outbox *o = outbox_new();
    int port = 20000 + (int)(getpid() % 10000);
    proc_fixture *pooler = start_pooler(directory, port);
    proc_fixture_expect_log(pooler, "process up", SOON_MS);
    char *direct = o->conninfo;
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=postgres dbname=%s", port, o->database);
    o->conninfo = conninfo;
    for (int i = 0; i < 2; i++)
        expect_refusal(relay_start(o, NULL), "pooler");
    PGconn *pooled = PQconnectdb(conninfo);
    assert_int_equal(PQstatus(pooled), CONNECTION_OK);
    assert_int_equal(pg_number(pooled, "SELECT (current_setting('search_path') <> 'pg_catalog')::int"), 1);
    assert_int_equal(pg_number(pooled, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
    PQfinish(pooled);
    o->conninfo = direct;
    proc_fixture_end(pooler, SIGKILL, SOON_MS);
    proc_fixture_free(pooler);
    proc_fixture *relay = relay_start_leading(o, NULL);
    relay_stop(relay);
    snprintf(path, sizeof path, "%s/pgbouncer.ini", directory);
    unlink(path);
    rmdir(directory);
    outbox_free(o);
}

/* ---- taking over ---- */

static void take_over(int signal_number)
{
    outbox *o = outbox_new();
    proc_fixture *first = relay_start_leading(o, NULL);
    proc_fixture *second = relay_start(o, NULL);
    proc_fixture_expect_log(second, "leader.waiting", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    expect_drained(o);
    proc_fixture_end(first, signal_number, SOON_MS);
    proc_fixture_free(first);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture_expect_log(second, "leader.elected", SOON_MS);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.leadership"), 2);
    relay_stop(second);
    outbox_free(o);
}

static void a_second_relay_waits_and_takes_over_when_the_first_is_killed(void **state)
{
    (void)state;
    take_over(SIGKILL);
}

static void a_second_relay_waits_and_takes_over_when_the_first_stops(void **state)
{
    (void)state;
    take_over(SIGTERM);
}

static void a_relay_that_stood_still_for_longer_than_its_lease_has_lost_the_lead(void **state)
{
    (void)state;
    static const char *const flags[] = {"--lease-ms=1000", NULL};
    outbox *o = outbox_new();
    proc_fixture *first = relay_start_leading(o, flags);
    proc_fixture *second = relay_start(o, flags);
    proc_fixture_expect_log(second, "leader.waiting", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    expect_drained(o);
    proc_fixture_signal(first, SIGSTOP);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture_expect_log(second, "leader.elected", SOON_MS);
    expect_drained(o);
    proc_fixture_signal(first, SIGCONT);
    proc_fixture_expect_log(first, "leader.waiting", SOON_MS);
    publish(o->conn, o->topic, NULL, 30);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    relay_stop(first);
    relay_stop(second);
    outbox_free(o);
}

/* A session that leads as far as others can see, with a lease that is good for 300 ms, and says no more. */
static PGconn *lead_in_silence(const outbox *o, const char *role)
{
    PGconn *leader = pg_fixture_connect(stage_pg, o->database, role);
    pg_run(leader, "SELECT pg_advisory_lock(%lld), pg_advisory_lock(%d, 300)", SQL_LOCK_LEADER,
           SQL_LOCK_LEASE);
    return leader;
}

/* Where PostgreSQL does not do it: version 13, and while an answer is on its way that nobody takes. */
static void a_silent_leader_is_ended_by_a_relay_that_waits(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *leader = lead_in_silence(o, "relay");
    proc_fixture *relay = relay_start(o, NULL);
    proc_fixture_expect_log(relay, "leader.silent", SOON_MS);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    PQclear(PQexec(leader, "SELECT 1"));
    assert_int_equal(PQstatus(leader), CONNECTION_BAD);
    PQfinish(leader);
    publish(o->conn, o->topic, NULL, 3);
    finish(o, relay);
}

/* Stopped while it sent a statement: the server has a part of it, waits for the rest, and calls that busy. */
static void a_leader_that_stops_in_the_middle_of_a_transaction_is_ended_by_a_relay_that_waits(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *leader = lead_in_silence(o, "relay");
    assert_int_equal(PQenterPipelineMode(leader), 1);
    assert_int_equal(PQsendQueryParams(leader, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQflush(leader), 0); /* no sync behind it */
    char busy[128];
    snprintf(busy, sizeof busy, "SELECT (state = 'active')::int FROM pg_stat_activity WHERE pid = %d",
             PQbackendPID(leader));
    expect_sql(o->conn, busy);
    proc_fixture *relay = relay_start(o, NULL);
    proc_fixture_expect_log(relay, "leader.silent", SOON_MS);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    PQfinish(leader);
    publish(o->conn, o->topic, NULL, 3);
    finish(o, relay);
}

static void a_silent_session_of_another_role_is_left_alone(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *leader = lead_in_silence(o, "postgres");
    proc_fixture *relay = relay_start(o, NULL);
    proc_fixture_expect_log(relay, "leader.waiting", SOON_MS);
    /* It has looked since the lease was over. */
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity r, pg_stat_activity l WHERE r.usename = 'relay' AND "
             "r.datname = "
             "l.datname AND l.pid = %d AND r.state_change > l.state_change + interval '1 s'",
             PQbackendPID(leader));
    expect_sql(o->conn, sql);
    assert_int_equal(pg_number(leader, "SELECT 1"), 1);
    PQfinish(leader);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    relay_stop(relay);
    outbox_free(o);
}

static void a_leader_keeps_its_lease_while_there_is_nothing_to_do(void **state)
{
    (void)state;
    static const char *const flags[] = {"--lease-ms=400", "--safety-poll-ms=60000", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    /* Some checks of the lease later its session is still the same one. */
    expect_sql(o->conn,
               "SELECT count(*) FROM pg_stat_activity a JOIN postbus.leadership l ON l.backend = a.pid "
               "WHERE a.state_change > l.started_at + interval '1.5 s'");
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.leadership"), 1);
    publish(o->conn, o->topic, NULL, 3);
    finish(o, relay);
}

/* A server that answers too late: the relay sends nothing meanwhile, and goes on by itself. */
static void a_leader_without_answers_sends_nothing_until_it_has_one(void **state)
{
    (void)state;
    static const char *const flags[] = {"--lease-ms=1000", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    pid_t backend = (pid_t)pg_number(o->conn, "SELECT backend FROM postbus.leadership");
    kill(backend, SIGSTOP);
    publish(o->conn, o->topic, NULL, 30);
    proc_fixture_expect_log(relay, "lease.lapsed", SOON_MS);
    kill(backend, SIGCONT);
    proc_fixture_expect_log(relay, "lease.renewed", SOON_MS);
    finish(o, relay);
}

/* Set for the database: a statement of the relay may take as long as it takes. */
static void a_relay_outlives_the_server_s_patience_with_transactions(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    if (PQserverVersion(o->conn) >= 170000) /* else there is no transaction_timeout */
        pg_run(o->conn, "ALTER DATABASE \"%s\" SET transaction_timeout = 2000", o->database);
    proc_fixture *relay = relay_start_held_up(o, NULL, "4 seconds");
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    char *log = proc_fixture_log(relay);
    assert_null(strstr(log, "session.lost"));
    free(log);
    finish(o, relay);
}

static void a_waiting_relay_stops_at_once(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *first = relay_start_leading(o, NULL);
    proc_fixture *second = relay_start(o, NULL);
    proc_fixture_expect_log(second, "leader.waiting", SOON_MS);
    relay_stop(second);
    relay_stop(first);
    outbox_free(o);
}

/* ---- losing the session ---- */

static void a_leader_whose_session_is_terminated_leads_again_and_loses_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 4; i++) {
        publish(o->conn, o->topic, NULL, 200);
        pg_run(o->conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND usename = 'relay'");
        publish(o->conn, o->topic, NULL, 50);
        proc_fixture_expect_log(relay, "session.lost", SOON_MS);
        proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    }
    expect_drained(o);
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

static void a_restart_of_postgresql_is_survived(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 2; i++) {
        publish(o->conn, o->topic, NULL, 100);
        pg_fixture_restart(stage_pg, i ? PG_STOP_IMMEDIATE : PG_STOP_FAST);
        PQreset(o->conn);
        publish(o->conn, o->topic, NULL, 100);
        expect_drained(o);
    }
    expect_all_arrived(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

static void a_relay_that_starts_before_postgresql_waits_for_it(void **state)
{
    (void)state;
    static const char *const flags[] = {"--reconnect-max-ms", "200", NULL};
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 20);
    pg_fixture_stop(stage_pg, PG_STOP_FAST);
    proc_fixture *relay = relay_start(o, flags);
    proc_fixture_expect_log(relay, "session.lost", SOON_MS);
    pg_fixture_start(stage_pg);
    PQreset(o->conn);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    finish(o, relay);
}

static void a_relay_stops_cleanly_while_postgresql_is_down(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    publish(o->conn, o->topic, NULL, 20);
    expect_drained(o);
    pg_fixture_stop(stage_pg, PG_STOP_FAST);
    proc_fixture_expect_log(relay, "session.lost", SOON_MS);
    relay_stop(relay);
    pg_fixture_start(stage_pg);
    PQreset(o->conn);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_outbox_goes_on_after_rebase_and_loses_nothing),
        cmocka_unit_test(a_database_without_our_schema_is_refused_with_the_remedy),
        cmocka_unit_test(a_role_without_postbus_relay_is_refused_with_the_remedy),
        cmocka_unit_test(a_sequence_that_hands_out_ids_in_advance_is_refused),
        cmocka_unit_test(a_database_of_another_cluster_is_refused),
        cmocka_unit_test(a_pooler_in_between_is_refused_and_keeps_nothing_of_the_relay),
        cmocka_unit_test(a_second_relay_waits_and_takes_over_when_the_first_is_killed),
        cmocka_unit_test(a_second_relay_waits_and_takes_over_when_the_first_stops),
        cmocka_unit_test(a_relay_that_stood_still_for_longer_than_its_lease_has_lost_the_lead),
        cmocka_unit_test(a_silent_leader_is_ended_by_a_relay_that_waits),
        cmocka_unit_test(a_leader_that_stops_in_the_middle_of_a_transaction_is_ended_by_a_relay_that_waits),
        cmocka_unit_test(a_silent_session_of_another_role_is_left_alone),
        cmocka_unit_test(a_leader_keeps_its_lease_while_there_is_nothing_to_do),
        cmocka_unit_test(a_leader_without_answers_sends_nothing_until_it_has_one),
        cmocka_unit_test(a_relay_outlives_the_server_s_patience_with_transactions),
        cmocka_unit_test(a_waiting_relay_stops_at_once),
        cmocka_unit_test(a_leader_whose_session_is_terminated_leads_again_and_loses_nothing),
        cmocka_unit_test(a_restart_of_postgresql_is_survived),
        cmocka_unit_test(a_relay_that_starts_before_postgresql_waits_for_it),
        cmocka_unit_test(a_relay_stops_cleanly_while_postgresql_is_down),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
