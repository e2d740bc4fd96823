/* Through PgBouncer's transaction pooling: a publish needs nothing of the server session it used before. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc_fixture.h"
#include "text_file.h"

enum {
    N_CLIENTS = 6,
    N_ROUNDS = 20,
    PORT = 6432 /* names a socket in a private directory, and no TCP port */
};

static proc_fixture *pooler;
static char pooler_directory[300];
static char pooler_configuration[320];

static const char *pooler_program(void)
{
    static const char *const places[] = {"/usr/sbin/pgbouncer", "/usr/bin/pgbouncer",
                                         "/usr/local/bin/pgbouncer"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static void write_configuration(void)
{
    char text[2000], users[400];
    snprintf(pooler_directory, sizeof pooler_directory, "%s/pooler", pg_fixture_directory(stage_server));
    assert_int_equal(mkdir(pooler_directory, 0777), 0);
    assert_int_equal(chmod(pooler_directory, 0777), 0);
    snprintf(users, sizeof users, "%s/users", pooler_directory);
    text_file_write(users, "\"shop_app\" \"\"\n");
    snprintf(text, sizeof text,
             "[databases]\n"
             "shop = host=%s port=%d dbname=shop pool_size=2\n"
             "[pgbouncer]\n"
             "unix_socket_dir = %s\n"
             "listen_addr =\n"
             "listen_port = %d\n"
             "auth_type = trust\n"
             "auth_file = %s\n"
             "pool_mode = transaction\n",
             pg_fixture_directory(stage_server), pg_fixture_port(stage_server), pooler_directory, PORT,
             users);
    snprintf(pooler_configuration, sizeof pooler_configuration, "%s/pgbouncer.ini", pooler_directory);
    text_file_write(pooler_configuration, text);
}

/* A pooler for each test: its connections to the server would not outlive the database, which is made anew.
 * PgBouncer does not run as root. */
static int pooler_setup(void **state)
{
    const char *const as_postgres[] = {
        "setpriv",          "--reuid=postgres", "--regid=postgres",   "--init-groups",
        "--pdeathsig=KILL", pooler_program(),   pooler_configuration, NULL};
    stage_setup(state);
    pooler = proc_fixture_start(geteuid() == 0 ? as_postgres : as_postgres + 5, NULL);
    proc_fixture_expect_log(pooler, "process up", 30000);
    return 0;
}

static int pooler_teardown(void **state)
{
    proc_fixture_free(pooler);
    return stage_teardown(state);
}

static int pooler_group_setup(void **state)
{
    stage_group_setup(state);
    write_configuration();
    return 0;
}

static PGconn *connect_through_pooler(void)
{
    char conninfo[500];
    snprintf(conninfo, sizeof conninfo, "host=%s port=%d dbname=shop user=shop_app", pooler_directory, PORT);
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

static void publish_round(stage *s, PGconn **clients, int round)
{
    for (int i = 0; i < N_CLIENTS; i++) {
        /* Each of two open transactions has a server of its own; which one changes from round to round. */
        PGconn *first = clients[i], *second = clients[(i + 1 + round) % N_CLIENTS];
        pbus_event events[3] = {stage_event("orders", "1", "a"), stage_event("orders", "2", "b"),
                                stage_event("orders", "3", "c")};
        pg_run(first, "BEGIN");
        if (second != first)
            pg_run(second, "BEGIN");
        stage_expect(s, pbus_publish(first, events, NULL, NULL, &s->err), PBUS_OK);
        stage_expect(s, pbus_publish_batch(second, events, 3, NULL, NULL, &s->err), PBUS_OK);
        pg_run(first, "COMMIT");
        if (second != first)
            pg_run(second, "ROLLBACK");
    }
}

static void clients_that_share_servers_publish(void **state)
{
    stage *s = *state;
    PGconn *clients[N_CLIENTS];
    int64_t expected = 0;
    for (int i = 0; i < N_CLIENTS; i++)
        clients[i] = connect_through_pooler();
    for (int round = 0; round < N_ROUNDS; round++) {
        publish_round(s, clients, round);
        for (int i = 0; i < N_CLIENTS; i++)
            expected += (i + 1 + round) % N_CLIENTS == i ? 4 : 1;
    }
    assert_int_equal(stage_count(s), expected);
    for (int i = 0; i < N_CLIENTS; i++)
        PQfinish(clients[i]);
}

static void a_refusal_and_a_savepoint_behave_as_without_a_pooler(void **state)
{
    stage *s = *state;
    PGconn *conn = connect_through_pooler();
    pbus_event bad = stage_event("a b", "1", "v"), good = stage_event("orders", "1", "v");
    stage_expect(s, pbus_publish(conn, &good, NULL, NULL, &s->err), PBUS_ERROR_NO_TRANSACTION);
    pg_run(conn, "BEGIN; SAVEPOINT sp");
    stage_expect_refusal(s, pbus_publish(conn, &bad, NULL, NULL, &s->err), PBUS_ERROR_TOPIC, "\"a b\"");
    pg_run(conn, "ROLLBACK TO SAVEPOINT sp");
    stage_expect(s, pbus_publish(conn, &good, NULL, NULL, &s->err), PBUS_OK);
    pg_run(conn, "COMMIT");
    assert_int_equal(stage_count(s), 1);
    PQfinish(conn);
}

static void a_batch_of_fifty_thousand_passes(void **state)
{
    stage *s = *state;
    enum { N = 50000 };
    PGconn *conn = connect_through_pooler();
    pbus_event *events = calloc(N, sizeof *events);
    for (int i = 0; i < N; i++)
        events[i] = stage_event("orders", "1", "a value of some length");
    pg_run(conn, "BEGIN");
    stage_expect(s, pbus_publish_batch(conn, events, N, NULL, NULL, &s->err), PBUS_OK);
    pg_run(conn, "COMMIT");
    assert_int_equal(stage_count(s), N);
    free(events);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_that_share_servers_publish, pooler_setup, pooler_teardown),
        cmocka_unit_test_setup_teardown(a_refusal_and_a_savepoint_behave_as_without_a_pooler, pooler_setup,
                                        pooler_teardown),
        cmocka_unit_test_setup_teardown(a_batch_of_fifty_thousand_passes, pooler_setup, pooler_teardown),
    };
    if (!pooler_program()) {
        print_message("skipped: no pgbouncer on this machine\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, pooler_group_setup, stage_group_teardown);
}
