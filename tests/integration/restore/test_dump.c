/* A dump that is restored in another cluster, whose transaction ids are lower or higher: refused, rebased, and nothing is lost. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cluster whose transaction ids begin after so many rounds of 32 bits. */
static pg_fixture *cluster_new(int rounds)
{
    char line[200];
    pg_fixture *pg = pg_fixture_new(NULL);
    if (rounds > 0) {
        pg_fixture_stop(pg, PG_STOP_FAST);
        snprintf(line, sizeof line, "$BIN/pg_resetwal -e %d -D data", rounds);
        assert_int_equal(pg_fixture_shell(pg, line), 0);
        pg_fixture_start(pg);
    }
    return pg;
}

static void restore(const pg_fixture *from, const pg_fixture *to)
{
    char line[300];
    pg_fixture_create_database(to, "shop");
    PGconn *conn = pg_fixture_connect(to, NULL, NULL);
    pg_run(conn, "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['publisher', 'viewer', 'relay', "
                 "'operator'] LOOP "
                 "EXECUTE format('CREATE ROLE postbus_%%s', r); END LOOP; END $$");
    PQfinish(conn);
    snprintf(line, sizeof line,
             "psql -qX -v ON_ERROR_STOP=1 -h $DIR -p %d -U postgres -d shop -f %s/dump.sql",
             pg_fixture_port(to), pg_fixture_directory(from));
    assert_int_equal(pg_fixture_shell(to, line), 0);
    shop_roles(to);
}

static void dump(const pg_fixture *pg)
{
    assert_int_equal(pg_fixture_shell(pg, "$BIN/pg_dump -h $DIR -p $(cat port) -U postgres shop >dump.sql"),
                     0);
}

typedef struct copied {
    pg_fixture *original, *copy;
    PGconn *conn; /* to the copy */
    char *topic;
} copied;

/* 40 events that were published before the dump, 20 that were committed before it and published after it, 30 that came after it: all 90 are in Kafka. */
static copied copy_shop(int original_rounds, int copy_rounds)
{
    copied c = {.original = cluster_new(original_rounds), .topic = topic_new()};
    pg_fixture_create_outbox(c.original, "shop");
    shop_roles(c.original);
    PGconn *conn = shop_connect(c.original);
    proc_fixture *relay = relay_start(c.original, NULL);
    relay_expect_leading(relay);
    publish(conn, c.topic, 40);
    expect_drained(conn);
    relay_stop(relay);
    publish(conn, c.topic, 20);
    dump(c.original);
    publish(conn, c.topic, 30);
    relay = relay_start(c.original, NULL);
    expect_drained(conn);
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_stop(c.original, PG_STOP_IMMEDIATE);
    c.copy = cluster_new(copy_rounds);
    restore(c.original, c.copy);
    c.conn = shop_connect(c.copy);
    return c;
}

static void copied_done(copied *c)
{
    PQfinish(c->conn);
    pg_fixture_free(c->copy);
    pg_fixture_free(c->original);
    free(c->topic);
}

static void goes_on_after_a_rebase(int original_rounds, int copy_rounds, bool unnoticed)
{
    char *said;
    copied c = copy_shop(original_rounds, copy_rounds);
    if (unnoticed) /* as if the tables had the numbers that they had in the original: publishers do not see that they are elsewhere */
        pg_run(c.conn, "CREATE OR REPLACE FUNCTION postbus.adrift() RETURNS boolean LANGUAGE sql STABLE AS "
                       "'SELECT false'");
    publish(c.conn, c.topic, 25);
    PGconn *slow = shop_connect(c.copy);
    pg_run(slow, "BEGIN; SELECT postbus.publish('%s', 'v2000000', 'slow')", c.topic);
    relay_expect_refusal(relay_start(c.copy, NULL), "another PostgreSQL cluster");
    assert_int_equal(rebase(c.copy, REBASE_FLAGS("--upgraded", "--yes"), &said), 1);
    assert_non_null(strstr(said, "not what pg_upgrade leaves"));
    free(said);
    assert_int_equal(rebase(c.copy, REBASE_FLAGS("--json", "--dry-run"), &said), 0);
    if (!strstr(said, "\"may_come_twice\":20,") || !strstr(said, "\"published_since\":25,"))
        fail_msg("%s", said);
    free(said);
    assert_int_equal(rebase(c.copy, REBASE_FLAGS("--json"), NULL), 2); /* nobody to ask */
    relay_expect_refusal(relay_start(c.copy, NULL), "another PostgreSQL cluster");
    assert_int_equal(rebase(c.copy, REBASE_FLAGS("--yes", "--why", "a test"), &said), 0);
    assert_non_null(strstr(said, "20 events, ids 41 to 60"));
    free(said);
    publish(c.conn, c.topic, 10);
    proc_fixture *relay = relay_start(c.copy, NULL);
    relay_expect_leading(relay);
    pg_run(slow, "COMMIT");
    expect_drained(c.conn);
    found f = expect_whole(c.conn, c.topic);
    assert_int_equal(f.n_events, 40 + 20 + 30 + 25 + 1 + 10);
    assert_int_equal(f.n_repeated, 20);
    pg_expect(
        c.conn, "20",
        "SELECT n_events FROM postbus.audit WHERE action = 'rebase' AND why = 'a test' AND who = 'postgres'");
    assert_int_equal(pg_number(c.conn, "SELECT count(*) FROM postbus.event WHERE state = 'published'"),
                     40 + 20 + 25 + 1 + 10);
    relay_stop(relay);
    PQfinish(slow);
    copied_done(&c);
}

static void a_dump_restored_where_transaction_ids_are_lower_goes_on_after_a_rebase(void **state)
{
    (void)state;
    goes_on_after_a_rebase(3, 0, false);
}

static void a_dump_restored_where_transaction_ids_are_higher_goes_on_after_a_rebase(void **state)
{
    (void)state;
    goes_on_after_a_rebase(0, 3, false);
}

/* Without a word from the publishers' trigger, tuples tell the copied rows from the new ones. */
static void new_events_get_new_ids_where_publishers_did_not_notice_the_copy(void **state)
{
    (void)state;
    goes_on_after_a_rebase(0, 0, true);
}

/* Restored without its sequence, ids that others have are drawn again: by row as well as by event. */
static void a_sequence_that_was_not_restored_loses_nothing(void **state)
{
    (void)state;
    char *said;
    copied c = copy_shop(0, 0);
    pg_run(c.conn, "SELECT setval('postbus.outbox_id_seq', 1, false)");
    publish(c.conn, c.topic, 25);
    assert_int_equal(rebase(c.copy, REBASE_FLAGS("--yes"), &said), 0);
    assert_non_null(strstr(said, "20 events, ids 41 to 60"));
    free(said);
    publish(c.conn, c.topic, 10);
    proc_fixture *relay = relay_start(c.copy, NULL);
    expect_drained(c.conn);
    found f = expect_whole(c.conn, c.topic);
    assert_int_equal(f.n_events, 40 + 20 + 30 + 25 + 10);
    assert_int_equal(f.n_repeated, 20);
    assert_int_equal(pg_number(c.conn, "SELECT count(DISTINCT id) FROM postbus.outbox"), 40 + 20 + 25 + 10);
    relay_stop(relay);
    copied_done(&c);
}

/* At home: somebody sets the sequence back. The relay notices in the midst of its work, and again when it starts. */
static void a_sequence_that_was_set_back_is_noticed_and_mended(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg);
    proc_fixture *relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 50);
    expect_drained(conn);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', 10)");
    publish(conn, topic, 20);
    relay_expect_refusal(relay, "postbus.outbox_id_seq is behind");
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    publish(conn, topic, 20);
    relay = relay_start(pg, NULL);
    assert_int_equal(rebase(pg, REBASE_FLAGS("--dry-run"), NULL), 0);
    relay_expect_leading(relay);
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 1); /* a relay leads */
    expect_drained(conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, 90);
    assert_int_equal(f.n_repeated, 0);
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

/* What waits for its topic, and what an operator discarded, is still so afterwards. */
static void parked_and_dead_events_stay_what_they_are(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL), *copy = cluster_new(0);
    PGconn *conn = shop_connect(pg);
    proc_fixture *relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    pg_run(conn, "SELECT postbus.publish('missing.%s', 'v' || i, 'k') FROM generate_series(1, 4) i", topic);
    expect_sql(conn, "SELECT (count(*) = 4)::int FROM postbus.parked");
    pg_run(conn, "SELECT postbus.discard(2, 'a test')");
    expect_sql(conn, "SELECT count(*) FROM postbus.dead");
    relay_stop(relay);
    dump(pg);
    restore(pg, copy);
    PQfinish(conn);
    conn = shop_connect(copy);
    assert_int_equal(rebase(copy, REBASE_FLAGS("--yes"), NULL), 0);
    relay = relay_start(copy, NULL);
    relay_expect_leading(relay);
    publish(conn, topic, 5);
    expect_sql(conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
    pg_expect(conn, "parked dead parked parked",
              "SELECT string_agg(state, ' ' ORDER BY id) FROM postbus.event WHERE id <= 4");
    relay_stop(relay);
    PQfinish(conn);
    pg_fixture_free(copy);
    pg_fixture_free(pg);
    free(topic);
}

static int open_if_there_is_a_dump(void **state)
{
    pg_fixture *pg = pg_fixture_new(NULL);
    bool there = pg_fixture_shell(pg, "test -x $BIN/pg_dump && test -x $BIN/pg_resetwal") == 0;
    pg_fixture_free(pg);
    if (!there) /* some packages of PostgreSQL are the server alone */
        exit(77);
    return stage_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_restored_where_transaction_ids_are_lower_goes_on_after_a_rebase),
        cmocka_unit_test(a_dump_restored_where_transaction_ids_are_higher_goes_on_after_a_rebase),
        cmocka_unit_test(new_events_get_new_ids_where_publishers_did_not_notice_the_copy),
        cmocka_unit_test(a_sequence_that_was_not_restored_loses_nothing),
        cmocka_unit_test(a_sequence_that_was_set_back_is_noticed_and_mended),
        cmocka_unit_test(parked_and_dead_events_stay_what_they_are),
    };
    return cmocka_run_group_tests(tests, open_if_there_is_a_dump, stage_close);
}
