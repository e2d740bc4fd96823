/* A database copied within its cluster, and an older state of a server's files that is put back. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void a_copy_in_the_same_cluster_is_refused_and_goes_on_under_ids_of_its_own(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg);
    proc_fixture *relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 30);
    expect_drained(conn);
    relay_stop(relay);
    publish(conn, topic, 10);
    PQfinish(conn);
    PGconn *admin = pg_fixture_connect(pg, NULL, NULL);
    pg_run(admin, "ALTER DATABASE shop RENAME TO original");
    pg_run(admin, "CREATE DATABASE shop TEMPLATE original");
    /* The original goes on. */
    pg_run(admin, "ALTER DATABASE shop RENAME TO copy");
    pg_run(admin, "ALTER DATABASE original RENAME TO shop");
    conn = shop_connect(pg);
    relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 20);
    expect_drained(conn);
    relay_stop(relay);
    PQfinish(conn);
    pg_run(admin, "DROP DATABASE shop");
    pg_run(admin, "ALTER DATABASE copy RENAME TO shop");
    conn = shop_connect(pg);
    publish(conn, topic, 25);
    relay_expect_refusal(relay_start(pg, NULL), "copy of another one");
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    publish(conn, topic, 5);
    relay = relay_start(pg, NULL);
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 30 + 10 + 20 + 25 + 5);
    assert_int_equal(f.n_repeated, 10);
    relay_stop(relay);
    PQfinish(conn);
    PQfinish(admin);
    pg_fixture_free(pg);
    free(topic);
}

/* Nothing in the database tells of it. The relay that knew more does. */
static void files_of_an_earlier_day_that_were_put_back_are_noticed_by_the_relay_that_knew_more(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg);
    proc_fixture *relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 30);
    expect_drained(conn);
    PQfinish(conn);
    pg_fixture_stop(pg, PG_STOP_FAST);
    assert_int_equal(pg_fixture_shell(pg, "cp -a data data.earlier"), 0);
    pg_fixture_start(pg);
    conn = shop_connect(pg);
    publish(conn, topic, 40);
    expect_drained(conn);
    PQfinish(conn);
    proc_fixture_signal(relay, SIGSTOP); /* or it could connect while the server stops */
    pg_fixture_stop(pg, PG_STOP_FAST);
    assert_int_equal(pg_fixture_shell(pg, "rm -rf data && mv data.earlier data"), 0);
    pg_fixture_start(pg);
    proc_fixture_signal(relay, SIGCONT);
    relay_expect_refusal(relay, "has forgotten what this relay settled");
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    conn = shop_connect(pg);
    publish(conn, topic, 50);
    relay = relay_start(pg, NULL);
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 30 + 40 + 50);
    assert_int_equal(f.n_repeated, 0);
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

/* The migration and a publisher in each other's midst: neither waits. */
static void the_migration_waits_for_no_publisher_and_no_publisher_for_it(void **state)
{
    (void)state;
    pg_fixture *pg = pg_fixture_new(NULL);
    pg_fixture_create_database(pg, "shop");
    PGconn *owner = shop_connect(pg), *conn = shop_connect(pg);
    const sql_migration *step = sql_migrations;
    for (; strcmp(step->name, "0005_rebase") != 0; step++)
        pg_run(owner, "BEGIN; %s; COMMIT", step->text);
    pg_run(owner, "SET lock_timeout = '10s'");
    pg_run(conn, "SET lock_timeout = '10s'; BEGIN; SELECT postbus.publish('t', 'v1')");
    pg_run(owner, "BEGIN; %s", step->text);
    pg_run(conn, "SELECT postbus.publish('t', 'v2'); COMMIT; BEGIN; SELECT postbus.publish('t', 'v3')");
    pg_run(owner, "COMMIT");
    pg_run(conn, "SELECT postbus.publish('t', 'v4'); COMMIT");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox WHERE event_id IS NULL"), 4);
    PQfinish(conn);
    PQfinish(owner);
    pg_fixture_free(pg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_migration_waits_for_no_publisher_and_no_publisher_for_it),
        cmocka_unit_test(a_copy_in_the_same_cluster_is_refused_and_goes_on_under_ids_of_its_own),
        cmocka_unit_test(files_of_an_earlier_day_that_were_put_back_are_noticed_by_the_relay_that_knew_more),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
