/* pg_upgrade, run for real: the identifier changes, the transaction ids stay, and nothing comes twice. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <stdlib.h>
#include <string.h>

static void an_upgraded_cluster_goes_on_with_its_transaction_ids(void **state)
{
    (void)state;
    char *topic = topic_new(), *said;
    pg_fixture *old = shop_new(NULL), *new = pg_fixture_new(NULL);
    PGconn *conn = shop_connect(old);
    proc_fixture *relay = relay_start(old, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 40);
    expect_drained(conn);
    relay_stop(relay);
    publish(conn, topic, 10);
    char *before = pg_text(conn, "SELECT postbus.event_id(45)");
    PQfinish(conn);
    upgrade(old, new);
    conn = shop_connect(new);
    publish(conn, topic, 20);
    relay_expect_refusal(relay_start(new, NULL), "another PostgreSQL cluster");
    assert_int_equal(rebase(new, REBASE_FLAGS("--upgraded", "--yes"), &said), 0);
    assert_non_null(strstr(said, "the cluster was upgraded"));
    free(said);
    publish(conn, topic, 5);
    relay = relay_start(new, NULL);
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 75);
    assert_int_equal(f.n_repeated, 0);
    pg_expect(conn, before, "SELECT event_id FROM postbus.event WHERE id = 45");
    assert_int_equal(rebase(new, REBASE_FLAGS("--upgraded", "--yes"), NULL), 1); /* it is done already */
    free(before);
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_free(new);
    pg_fixture_free(old);
    free(topic);
}

static int open_if_there_is_an_upgrade(void **state)
{
    pg_fixture *pg = pg_fixture_new(NULL);
    bool there = pg_fixture_shell(pg, "test -x $BIN/pg_upgrade") == 0;
    pg_fixture_free(pg);
    if (!there)
        exit(77);
    return stage_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgraded_cluster_goes_on_with_its_transaction_ids),
    };
    return cmocka_run_group_tests(tests, open_if_there_is_an_upgrade, stage_close);
}
