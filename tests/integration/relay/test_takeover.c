/* A relay that dies, stands still or is cut off is followed by another, and nothing that it has left on its way to the brokers comes after what the
 * other one publishes. */
#include "cmocka_all.h"
#include "net_proxy.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Before the server and the broker, for the relays that have to suffer; the others go straight. */
static net_proxy *pg_net, *kafka_net;

static int open_stage(void **state)
{
    (void)state;
    pg_net = net_proxy_new();
    kafka_net = net_proxy_new();
    int answer = stage_open_with(kafka_fixture_new_behind(kafka_net, NULL));
    net_proxy_aim(pg_net, pg_fixture_port(stage_pg));
    return answer;
}

static int close_stage(void **state)
{
    net_proxy_free(pg_net);
    net_proxy_free(kafka_net);
    return stage_close(state);
}

static int heal(void **state)
{
    (void)state;
    net_proxy_heal(pg_net);
    net_proxy_heal(kafka_net);
    return 0;
}

/* ---- relays ---- */

static proc_fixture *start_behind(const outbox *o, const char *lease_ms)
{
    char conninfo[128];
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=relay dbname=%s", net_proxy_port(pg_net),
             o->database);
    const char *const argv[] = {
        "relay",      "--database", conninfo,     "--brokers",        net_proxy_address(kafka_net),
        "--lease-ms", lease_ms,     "--relay-id", "one-that-suffers", "--reconnect-max-ms",
        "200",        NULL};
    return proc_fixture_start_postbus(argv, NULL);
}

static proc_fixture *start_waiting(const outbox *o, const char *lease_ms)
{
    const char *const flags[] = {"--lease-ms", lease_ms, NULL};
    proc_fixture *relay = relay_start(o, flags);
    proc_fixture_expect_log(relay, "leader.waiting", SOON_MS);
    return relay;
}

/* ---- what the kernel still holds of a connection through a proxy ---- */

typedef struct sockets {
    int port;       /* of the proxy */
    bool with_data; /* which no peer has acknowledged */
} sockets;

static bool line_counts(const char *line, const sockets *s)
{
    unsigned int local, remote, state;
    unsigned long tx, rx;
    return sscanf(line, " %*d: %*8x:%x %*8x:%x %x %lx:%lx", &local, &remote, &state, &tx, &rx) == 5 &&
           remote == (unsigned int)s->port && (s->with_data ? tx > 0 : state != 6 /* TIME_WAIT */);
}

static bool there_are(void *arg)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/net/tcp", "r");
    assert_non_null(file);
    while (!found && fgets(line, sizeof line, file))
        found = line_counts(line, arg);
    fclose(file);
    return found;
}

static bool there_are_none(void *arg)
{
    return !there_are(arg);
}

static bool none_is_open(void *proxy)
{
    return net_proxy_n_connections(proxy) == 0;
}

/* ---- what the topic says last ---- */

static const topic_record *last_of(const topic_records *all, const char *key)
{
    for (size_t i = all->n_rows; i > 0; i--)
        if (all->rows[i - 1].key && strcmp(all->rows[i - 1].key, key) == 0)
            return &all->rows[i - 1];
    return NULL;
}

/* Who keeps only the last record of a key, as a compacted topic does, has the newest. */
static void expect_newest_last(const outbox *o)
{
    PGresult *newest = pg_rows(o->conn,
                               "SELECT DISTINCT ON (key) convert_from(key, 'UTF8'), "
                               "coalesce(event_id, postbus.event_id(id)) "
                               "FROM postbus.outbox WHERE topic = '%s' ORDER BY key, id DESC",
                               o->topic);
    topic_records all = topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 0, SOON_MS);
    for (int i = 0; i < PQntuples(newest); i++) {
        const topic_record *last = last_of(&all, PQgetvalue(newest, i, 0));
        assert_non_null(last);
        const char *id = topic_record_header(last, "id");
        if (!id || strcmp(id, PQgetvalue(newest, i, 1)) != 0)
            fail_msg("the last record of key %s is an old event, %s, at offset %lld",
                     PQgetvalue(newest, i, 0), id ? id : "?", (long long)last->offset);
    }
    topic_records_done(&all);
    PQclear(newest);
}

static void expect_newest_last_of_all(const outbox *o)
{
    expect_all_arrived(o, o->topic);
    expect_newest_last(o);
}

/* ---- killed ---- */

/* Its request is repeated by the kernel of its machine until the network gets it through, unless that is told to throw it away. */
static void nothing_of_a_killed_relay_arrives_after_its_successor(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *first = start_behind(o, "9000");
    proc_fixture_expect_log(first, "leader.elected", SOON_MS);
    proc_fixture *second = start_waiting(o, "9000");
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    net_proxy_cut(kafka_net, NET_TO_SERVER);
    publish(o->conn, o->topic, NULL, 10);
    sockets unsent = {net_proxy_port(kafka_net), true}, any = {net_proxy_port(kafka_net), false};
    assert_true(wait_until(there_are, &unsent, SOON_MS));
    relay_kill(first);
    proc_fixture_expect_log(second, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    net_proxy_heal(kafka_net);
    assert_true(wait_until(there_are_none, &any, SOON_MS));
    net_proxy_reset(kafka_net);
    assert_true(wait_until(none_is_open, kafka_net, SOON_MS));
    expect_newest_last_of_all(o);
    relay_stop(second);
    outbox_free(o);
}

/* ---- stopped ---- */

/* An answer to its last request waits in its socket, and more is in the producer's queue: librdkafka's thread would send that when it wakes. */
static void a_relay_that_wakes_sends_nothing_of_what_it_had(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *second = NULL;
    for (int round = 0; round < 3; round++) {
        proc_fixture *first = start_behind(o, "1000");
        if (second) {
            relay_stop(second);
        }
        proc_fixture_expect_log(first, "leader.elected", SOON_MS);
        second = start_waiting(o, "1000");
        publish(o->conn, o->topic, NULL, 10);
        expect_drained(o);
        net_proxy_hold(kafka_net, NET_TO_CLIENT);
        publish(o->conn, o->topic, NULL, 10);
        topic_records some =
            topic_read(kafka_fixture_brokers(stage_kafka), o->topic, 30u * (unsigned)round + 20, SOON_MS);
        topic_records_done(&some);
        publish(o->conn, o->topic, NULL, 10);
        expect_sql(o->conn, "SELECT (x2 > '0'::xid8)::int FROM postbus.current_progress");
        proc_fixture_signal(first, SIGSTOP);
        proc_fixture_expect_log(second, "leader.elected", SOON_MS);
        publish(o->conn, o->topic, NULL, 10);
        expect_drained(o);
        net_proxy_heal(kafka_net);
        proc_fixture_signal(first, SIGCONT);
        proc_fixture_expect_log(first, "leader.waiting", SOON_MS);
        expect_newest_last_of_all(o);
        relay_kill(first);
    }
    relay_stop(second);
    outbox_free(o);
}

/* ---- cut off from PostgreSQL ---- */

static void take_over_from_one_that_is_cut_off(void (*fault)(net_proxy *, net_way), net_way way,
                                               const char *lease_ms, const char *says)
{
    outbox *o = outbox_new();
    proc_fixture *first = start_behind(o, lease_ms);
    proc_fixture_expect_log(first, "leader.elected", SOON_MS);
    proc_fixture *second = start_waiting(o, lease_ms);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    fault(pg_net, way);
    publish(o->conn, o->topic, NULL, 10);
    proc_fixture_expect_log(second, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    proc_fixture_expect_log(first, "lease.lapsed", SOON_MS);
    if (says)
        proc_fixture_expect_log(first, says, SOON_MS);
    net_proxy_heal(pg_net);
    proc_fixture_expect_log(first, "leader.waiting", SOON_MS);
    expect_newest_last_of_all(o);
    relay_stop(second);
    proc_fixture_expect_log(first, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    expect_newest_last_of_all(o);
    relay_stop(first);
    outbox_free(o);
}

static void a_leader_whose_statements_do_not_reach_postgresql_is_followed(void **state)
{
    (void)state;
    take_over_from_one_that_is_cut_off(net_proxy_cut, NET_TO_SERVER, "1500", NULL);
}

static void a_leader_whom_no_answer_of_postgresql_reaches_is_followed(void **state)
{
    (void)state;
    take_over_from_one_that_is_cut_off(net_proxy_cut, NET_TO_CLIENT, "1500", NULL);
}

static void a_leader_whose_network_is_gone_is_followed(void **state)
{
    (void)state;
    take_over_from_one_that_is_cut_off(net_proxy_cut, NET_BOTH_WAYS, "1500", NULL);
}

/* TCP sees nothing: the relay itself has to give up the session, or it would never stand by again. */
static void a_leader_behind_something_that_hangs_is_followed_and_gives_up_its_session(void **state)
{
    (void)state;
    take_over_from_one_that_is_cut_off(net_proxy_hold, NET_BOTH_WAYS, "1000", "PostgreSQL does not answer");
}

/* ---- slow, and not silent ---- */

/* A page takes three times as long as a silence may last, and the server waits all the time for it to be taken, or for what the relay says meanwhile. */
static void a_leader_that_reads_slowly_is_left_to_read(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn,
           "SELECT postbus.publish('%s', convert_to(repeat('x', 1900), 'UTF8'), key => "
           "convert_to('k' || n %% 5, 'UTF8')) FROM generate_series(1, 4000) n",
           o->topic);
    net_proxy_limit(pg_net, NET_TO_CLIENT, 700000);
    proc_fixture *first = start_behind(o, "4000");
    proc_fixture_expect_log(first, "leader.elected", SOON_MS);
    proc_fixture *second = start_waiting(o, "4000");
    expect_drained(o);
    pg_expect(o->conn, "1", "SELECT count(*) FROM postbus.leadership");
    relay_stop(first);
    relay_stop(second);
    outbox_free(o);
}

/* The same again on each session: one day it has to be waited for. */
static void a_statement_that_takes_longer_than_a_silence_may_is_waited_for(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn, "CREATE FUNCTION wait_a_while() RETURNS trigger LANGUAGE plpgsql AS "
                    "'BEGIN PERFORM pg_sleep(3.5); RETURN NEW; END'; "
                    "CREATE TRIGGER slow BEFORE INSERT ON postbus.leadership FOR EACH ROW EXECUTE FUNCTION "
                    "wait_a_while()");
    proc_fixture *relay = start_behind(o, "400");
    proc_fixture_expect_log(relay, "PostgreSQL does not answer", SOON_MS);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    publish(o->conn, o->topic, NULL, 10);
    expect_drained(o);
    relay_stop(relay);
    outbox_free(o);
}

/* ---- on the way to a server ---- */

static proc_fixture *start_with(const char *conninfo)
{
    const char *const argv[] = {"relay",
                                "--database",
                                conninfo,
                                "--brokers",
                                kafka_fixture_brokers(stage_kafka),
                                "--reconnect-max-ms",
                                "200",
                                NULL};
    return proc_fixture_start_postbus(argv, NULL);
}

/* A name that nobody knows, a host that is gone, and the server; the connection string's own deadline counts. */
static void a_server_is_found_behind_hosts_that_are_unknown_or_gone(void **state)
{
    (void)state;
    char conninfo[256];
    outbox *o = outbox_new();
    int gone = net_proxy_port(pg_net), here = pg_fixture_port(stage_pg);
    snprintf(
        conninfo, sizeof conninfo,
        "host=unknown.invalid,127.0.0.1,127.0.0.1 port=%d,%d,%d user=relay dbname=%s tcp_user_timeout=500 "
        "target_session_attrs=read-write",
        here, gone, here, o->database);
    net_proxy_cut(pg_net, NET_BOTH_WAYS);
    publish(o->conn, o->topic, NULL, 10);
    finish(o, start_with(conninfo));
}

static void a_name_that_nobody_knows_is_said_and_tried_again(void **state)
{
    (void)state;
    proc_fixture *relay = start_with("host=unknown.invalid user=relay dbname=postgres");
    for (int i = 0; i < 3; i++)
        proc_fixture_expect_log(relay, "could not translate host name", SOON_MS);
    relay_stop(relay);
}

/* It takes the connection, and no more comes. */
static void a_server_that_hangs_while_it_is_connected_to_is_given_up_and_tried_again(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    net_proxy_hold(pg_net, NET_BOTH_WAYS);
    proc_fixture *relay = start_behind(o, "9000");
    proc_fixture_expect_log(relay, "PostgreSQL does not answer", SOON_MS);
    net_proxy_heal(pg_net);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_of_a_killed_relay_arrives_after_its_successor, heal),
        cmocka_unit_test_teardown(a_relay_that_wakes_sends_nothing_of_what_it_had, heal),
        cmocka_unit_test_teardown(a_leader_whose_statements_do_not_reach_postgresql_is_followed, heal),
        cmocka_unit_test_teardown(a_leader_whom_no_answer_of_postgresql_reaches_is_followed, heal),
        cmocka_unit_test_teardown(a_leader_whose_network_is_gone_is_followed, heal),
        cmocka_unit_test_teardown(a_leader_that_reads_slowly_is_left_to_read, heal),
        cmocka_unit_test_teardown(a_statement_that_takes_longer_than_a_silence_may_is_waited_for, heal),
        cmocka_unit_test_teardown(a_server_is_found_behind_hosts_that_are_unknown_or_gone, heal),
        cmocka_unit_test_teardown(a_name_that_nobody_knows_is_said_and_tried_again, heal),
        cmocka_unit_test_teardown(a_server_that_hangs_while_it_is_connected_to_is_given_up_and_tried_again,
                                  heal),
        cmocka_unit_test_teardown(a_leader_behind_something_that_hangs_is_followed_and_gives_up_its_session,
                                  heal),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}
