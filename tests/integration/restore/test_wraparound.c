/* Transaction ids that have gone half round since the outbox was made: what was frozen shows the xmin of its writer, which then seems to be to come. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void freeze_all(const pg_fixture *pg)
{
    static const char *const databases[] = {"postgres", "template1", "template0", "shop"};
    for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++) {
        PGconn *conn = pg_fixture_connect(pg, databases[i], NULL);
        pg_run(conn, "VACUUM FREEZE");
        PQfinish(conn);
    }
}

/* With a file of commits for it: the ids between were never given out. */
static void move_on_to(pg_fixture *pg, long xid)
{
    char line[300];
    pg_fixture_stop(pg, PG_STOP_FAST);
    snprintf(line, sizeof line,
             "$BIN/pg_resetwal -x %ld -D data && head -c 262144 /dev/zero >data/pg_xact/%04lX", xid,
             xid >> 20);
    assert_int_equal(pg_fixture_shell(pg, line), 0);
    pg_fixture_start(pg);
}

/* No more than 2^31 at once, beyond which PostgreSQL takes no commands. */
static void let_half_of_all_xids_pass(pg_fixture *pg)
{
    PGconn *admin = pg_fixture_connect(pg, NULL, NULL);
    pg_run(admin, "UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'");
    PQfinish(admin);
    freeze_all(pg);
    move_on_to(pg, 1500000000);
    freeze_all(pg);
    move_on_to(pg, 3000000000);
    freeze_all(pg);
}

static void make_copy(const pg_fixture *pg)
{
    PGconn *admin = pg_fixture_connect(pg, NULL, NULL);
    pg_run(admin, "ALTER DATABASE shop RENAME TO original");
    pg_run(admin, "CREATE DATABASE shop TEMPLATE original");
    PQfinish(admin);
}

/* copied_until() as the first or the last migration has it that makes it anew. */
static void take_copied_until(PGconn *conn, bool last)
{
    static const char start[] = "CREATE OR REPLACE FUNCTION postbus.copied_until()";
    const char *at = NULL;
    for (const sql_migration *m = sql_migrations; m->name && (last || !at); m++) {
        const char *here = strstr(m->text, start);
        at = here ? here : at;
    }
    assert_non_null(at);
    pg_run(conn, "%.*s", (int)(strstr(at, "\n$$;") + 4 - at), at);
}

/* With the function of before, for which a rebase said that it was done. */
static void rebase_into_the_future(const pg_fixture *pg, PGconn *conn)
{
    take_copied_until(conn, false);
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    pg_expect(conn, "stored transaction ids are ahead of those that PostgreSQL has assigned",
              "SELECT ahead FROM postbus.whereabouts()");
    take_copied_until(conn, true);
}

/* Also what a relay before this one has published. */
static void expect_published_once(const pg_fixture *pg, PGconn *conn, const char *topic, int n)
{
    proc_fixture *relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, n);
    assert_int_equal(f.n_repeated, 0);
    relay_stop(relay);
}

static void goes_on_after_a_rebase(bool was_rebased_into_the_future)
{
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
    let_half_of_all_xids_pass(pg);
    make_copy(pg);
    conn = shop_connect(pg);
    publish(conn, topic, 25);
    relay_expect_refusal(relay_start(pg, NULL), "copy of another one");
    if (was_rebased_into_the_future)
        rebase_into_the_future(pg, conn);
    publish(conn, topic, 5);
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    pg_expect(conn, NULL, "SELECT ahead FROM postbus.whereabouts()");
    publish(conn, topic, 7);
    expect_published_once(pg, conn, topic, 30 + 10 + 25 + 5 + 7);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

static void a_copy_of_rows_older_than_half_of_all_xids_goes_on_after_a_rebase(void **state)
{
    (void)state;
    goes_on_after_a_rebase(false);
}

static void a_rebase_gets_a_position_back_that_an_earlier_one_put_into_the_future(void **state)
{
    (void)state;
    goes_on_after_a_rebase(true);
}

/* The position that a rebase writes reaches from the copy to the rebase, over all that the cluster did meanwhile. */
static void a_cluster_may_have_gone_far_between_a_copy_and_its_rebase(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg);
    publish(conn, topic, 10);
    PQfinish(conn);
    make_copy(pg);
    conn = shop_connect(pg);
    publish(conn, topic, 5);
    PQfinish(conn);
    move_on_to(pg, 500000000);
    conn = shop_connect(pg);
    publish(conn, topic, 3);
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    expect_published_once(pg, conn, topic, 10 + 5 + 3);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

static int open_if_xids_can_be_moved(void **state)
{
    pg_fixture *pg = pg_fixture_new(NULL);
    bool can = pg_fixture_shell(pg, "test -x $BIN/pg_resetwal") == 0;
    pg_fixture_free(pg);
    if (!can) /* some packages of PostgreSQL are the server alone */
        exit(77);
    return stage_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_of_rows_older_than_half_of_all_xids_goes_on_after_a_rebase),
        cmocka_unit_test(a_cluster_may_have_gone_far_between_a_copy_and_its_rebase),
        cmocka_unit_test(a_rebase_gets_a_position_back_that_an_earlier_one_put_into_the_future),
    };
    return cmocka_run_group_tests(tests, open_if_xids_can_be_moved, stage_close);
}
