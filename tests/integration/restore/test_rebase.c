/* What a rebase has to bear: an end in its midst, a sequence that has caught up with its past, and transactions that were there before. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 60 events, of which 40 are known to be published, in a cluster of its own. The original goes on without the copy: 30 events more, all in Kafka. */
typedef struct scene {
    pg_fixture *original, *pg;
    PGconn *conn;
    char *topic;
} scene;

static void take_dump(const pg_fixture *pg)
{
    assert_int_equal(pg_fixture_shell(pg, "$BIN/pg_dump -h $DIR -p $(cat port) -U postgres shop >dump.sql"),
                     0);
}

static void load_dump(const pg_fixture *from, const pg_fixture *to)
{
    char line[300];
    snprintf(line, sizeof line,
             "psql -qX -v ON_ERROR_STOP=1 -h $DIR -p %d -U postgres -d shop -f %s/dump.sql",
             pg_fixture_port(to), pg_fixture_directory(from));
    assert_int_equal(pg_fixture_shell(to, line), 0);
}

static void drain(const pg_fixture *pg, PGconn *conn)
{
    proc_fixture *relay = relay_start(pg, NULL);
    relay_expect_leading(relay);
    expect_drained(conn);
    relay_stop(relay);
}

/* A server to restore a dump in: the database is there, and empty, and so are the roles that the dump names. */
static PGconn *empty_shop(const pg_fixture *pg)
{
    pg_fixture_create_database(pg, "shop");
    PGconn *conn = shop_connect(pg);
    pg_run(conn, "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['publisher', 'viewer', 'relay', "
                 "'operator'] LOOP EXECUTE format('CREATE ROLE postbus_%%s', r); END LOOP; END $$");
    return conn;
}

static scene scene_new(void)
{
    scene s = {.original = shop_new(NULL), .pg = pg_fixture_new(NULL), .topic = topic_new()};
    PGconn *conn = shop_connect(s.original);
    publish(conn, s.topic, 40);
    drain(s.original, conn);
    publish(conn, s.topic, 20);
    take_dump(s.original);
    publish(conn, s.topic, 30);
    drain(s.original, conn);
    PQfinish(conn);
    pg_fixture_stop(s.original, PG_STOP_IMMEDIATE);
    s.conn = empty_shop(s.pg);
    return s;
}

static void scene_restore(const scene *s)
{
    load_dump(s->original, s->pg);
    shop_roles(s->pg);
}

static void scene_free(scene *s)
{
    PQfinish(s->conn);
    pg_fixture_free(s->pg);
    pg_fixture_free(s->original);
    free(s->topic);
}

static void expect_events(const pg_fixture *pg, PGconn *conn, const char *topic, int n, int n_repeated)
{
    drain(pg, conn);
    found f = expect_whole(conn, topic);
    assert_int_equal(f.n_events, n);
    assert_int_equal(f.n_repeated, n_repeated);
    assert_int_equal(pg_number(conn, "SELECT count(*) - count(DISTINCT id) FROM postbus.outbox"), 0);
}

/* Ended by an administrator when all is done but the commit: nothing that outlives it may make the next one, or the relay, think that all is well. */
static void interrupted_it_leaves_what_it_found(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg), *other = shop_connect(pg);
    publish(conn, topic, 50);
    drain(pg, conn);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', 10)");
    publish(conn, topic, 20);
    pg_run(other, "BEGIN; SELECT postbus.rebase(false, 'interrupted')");
    pg_end_backends(conn, "state = 'idle in transaction'");
    PQfinish(other);
    relay_expect_refusal(relay_start(pg, NULL), "postbus.outbox_id_seq");
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    publish(conn, topic, 10);
    expect_events(pg, conn, topic, 50 + 20 + 10, 0);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

/* Before anybody looks, publishers have drawn all the ids that they had drawn before, and more. */
static void a_sequence_that_has_caught_up_with_its_past_is_noticed_and_mended(void **state)
{
    (void)state;
    char *topic = topic_new();
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg);
    publish(conn, topic, 50);
    drain(pg, conn);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', 10)");
    publish(conn, topic, 70);
    relay_expect_refusal(relay_start(pg, NULL), "has drawn them again");
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), NULL), 0);
    publish(conn, topic, 10);
    expect_events(pg, conn, topic, 50 + 70 + 10, 0);
    PQfinish(conn);
    pg_fixture_free(pg);
    free(topic);
}

static void a_copy_whose_sequence_has_caught_up_keeps_the_order_and_loses_nothing(void **state)
{
    (void)state;
    scene s = scene_new();
    scene_restore(&s);
    pg_run(s.conn, "SELECT setval('postbus.outbox_id_seq', 1, false)");
    publish(s.conn, s.topic, 100);
    assert_int_equal(rebase(s.pg, REBASE_FLAGS("--yes"), NULL), 0);
    publish(s.conn, s.topic, 10);
    expect_events(s.pg, s.conn, s.topic, 40 + 20 + 30 + 100 + 10, 20);
    scene_free(&s);
}

/* The one that is open draws its id first, and commits between the rebase and the relay. */
static void expect_both_arrive(scene *s, PGconn *open, PGconn *other)
{
    pg_run(open, "SELECT postbus.publish('%s', 'v2000000', 'first')", s->topic);
    pg_run(other, "SELECT postbus.publish('%s', 'v2000001', 'second'); COMMIT", s->topic);
    assert_int_equal(rebase(s->pg, REBASE_FLAGS("--yes"), NULL), 0);
    pg_run(open, "SELECT postbus.publish('%s', 'v2000002', 'first')", s->topic);
    pg_run(open, "COMMIT");
    publish(s->conn, s->topic, 10);
    expect_events(s->pg, s->conn, s->topic, 40 + 20 + 30 + 3 + 10, 20);
    PQfinish(other);
    PQfinish(open);
    scene_free(s);
}

/* Two transactions have written something before the dump is loaded, and publish afterwards. The one that draws its id first commits between the rebase and
 * the relay. */
static void transactions_that_were_there_before_the_copy_lose_nothing(void **state)
{
    (void)state;
    scene s = scene_new();
    PGconn *first = shop_connect(s.pg), *second = shop_connect(s.pg);
    pg_run(first, "BEGIN; SELECT pg_current_xact_id()");
    pg_run(second, "BEGIN; SELECT pg_current_xact_id()");
    scene_restore(&s);
    expect_both_arrive(&s, first, second);
}

/* What an older one has drawn after it and committed makes its own id one of the copy, which it is not. */
static void a_transaction_that_is_younger_than_the_copy_loses_nothing(void **state)
{
    (void)state;
    scene s = scene_new();
    PGconn *younger = shop_connect(s.pg), *older = shop_connect(s.pg);
    pg_run(older, "BEGIN; SELECT pg_current_xact_id()");
    scene_restore(&s);
    pg_run(younger, "BEGIN");
    expect_both_arrive(&s, younger, older);
}

/* It is older than the copy, as far as its number tells, and commits when the rebase has looked at the rows and comes to write them: the lock of another leaf
 * holds up who writes, and nobody who reads. */
static void who_commits_in_the_midst_of_a_rebase_is_not_passed_over(void **state)
{
    (void)state;
    scene s = scene_new();
    PGconn *first = shop_connect(s.pg), *second = shop_connect(s.pg);
    pg_run(first, "BEGIN; SELECT pg_current_xact_id()");
    pg_run(second, "BEGIN; SELECT pg_current_xact_id()");
    scene_restore(&s);
    pg_run(first, "SELECT postbus.publish('%s', 'v2000000', 'first')", s.topic);
    pg_run(second, "SELECT postbus.publish('%s', 'v2000001', 'second'); COMMIT", s.topic);
    pg_run(first, "LOCK TABLE postbus.outbox_5 IN SHARE MODE");
    assert_int_equal(rebase_that_waits(s.pg, REBASE_FLAGS("--yes"), s.conn, first, NULL), 0);
    publish(s.conn, s.topic, 10);
    expect_events(s.pg, s.conn, s.topic, 40 + 20 + 30 + 2 + 10, 20);
    PQfinish(second);
    PQfinish(first);
    scene_free(&s);
}

/* The rebase takes back the intent that came with the copy: what it writes in doing so was not copied. */
static void an_intent_that_came_with_a_copy_makes_no_event_of_today_one_of_the_copy(void **state)
{
    (void)state;
    scene s = scene_new();
    scene_restore(&s);
    pg_run(s.conn,
           "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, "
           "intent, kafka_before) SELECT leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published, "
           "'3', 0 FROM postbus.current_progress");
    publish(s.conn, s.topic, 25);
    assert_int_equal(pg_number(s.conn, "SELECT postbus.rebase()"), 20);
    pg_expect(s.conn, "25", "SELECT what->>'since' FROM postbus.audit WHERE action = 'rebase'");
    expect_events(s.pg, s.conn, s.topic, 40 + 20 + 30 + 25, 20);
    scene_free(&s);
}

/* psql does so with ON_ERROR_ROLLBACK. */
static void a_rebase_inside_a_savepoint_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    pg_fixture *pg = shop_new(NULL);
    PGconn *conn = shop_connect(pg);
    char *before = pg_text(conn, "SELECT i::text FROM postbus.instance i");
    pg_run(conn, "BEGIN; SAVEPOINT s");
    pg_expect_refused(conn, "25001", "SELECT postbus.rebase()");
    pg_run(conn, "ROLLBACK");
    pg_expect_refused(conn, "25001",
                      "DO $$ BEGIN PERFORM postbus.rebase(); EXCEPTION WHEN division_by_zero THEN NULL; END "
                      "$$");
    pg_expect(conn, before, "SELECT i::text FROM postbus.instance i");
    pg_run(conn, "BEGIN; SAVEPOINT s; RELEASE s; SELECT postbus.rebase(); COMMIT");
    pg_expect(conn, NULL, "SELECT strayed FROM postbus.whereabouts()");
    free(before);
    PQfinish(conn);
    pg_fixture_free(pg);
}

/* Each in a transaction of its own, numbered from v3000000 on, until a condition on the next transaction's number, x, no longer holds. */
static void publish_singly_while(PGconn *conn, const char *topic, const char *condition)
{
    pg_run(conn,
           "DO $$ DECLARE x bigint := pg_current_xact_id(); i bigint := 3000000; BEGIN "
           "SELECT i + count(*) INTO i FROM postbus.outbox; "
           "WHILE %s LOOP PERFORM postbus.publish('%s', 'v' || i, 'single'); i := i + 1; COMMIT; "
           "x := pg_current_xact_id(); END LOOP; END $$",
           condition, topic);
}

/* The numbers of the transactions that published them are given out again, to those who publish between the restore and the rebase. */
static void what_came_with_a_copy_keeps_its_event_ids_when_transactions_get_its_numbers(void **state)
{
    (void)state;
    enum { N_OLD = 40 };
    char *topic = topic_new(), *said, condition[60];
    pg_fixture *original = shop_new(NULL), *pg = pg_fixture_new(NULL);
    PGconn *conn = shop_connect(original);
    pg_run(conn, "DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$");
    snprintf(condition, sizeof condition, "i < 3000000 + %d", N_OLD);
    publish_singly_while(conn, topic, condition);
    drain(original, conn);
    take_dump(original);
    int64_t last_xid = pg_number(conn, "SELECT max(xid::text::bigint) FROM postbus.outbox");
    PQfinish(conn);
    pg_fixture_stop(original, PG_STOP_IMMEDIATE);
    conn = empty_shop(pg);
    load_dump(original, pg);
    shop_roles(pg);
    snprintf(condition, sizeof condition, "x <= %lld", (long long)last_xid);
    publish_singly_while(conn, topic, condition);
    int n = (int)pg_number(conn, "SELECT count(*) FROM postbus.outbox");
    assert_true(n > 3 * N_OLD); /* or the numbers did not come again */
    assert_int_equal(pg_number(conn, "SELECT count(event_id) FROM postbus.outbox WHERE id <= %d", N_OLD), 0);
    assert_int_equal(rebase(pg, REBASE_FLAGS("--yes"), &said), 0);
    assert_non_null(strstr(said, "may come twice   0 events"));
    free(said);
    expect_events(pg, conn, topic, n, 0);
    PQfinish(conn);
    pg_fixture_free(pg);
    pg_fixture_free(original);
    free(topic);
}

static char *transactions_name(PGconn *conn)
{
    enum { NAME = 1 };
    PGresult *row = pg_rows(conn, "%s", sql_query("in_doubt"));
    char *name = strdup(PQgetvalue(row, 0, NAME));
    PQclear(row);
    return name;
}

/* A transaction of which the first event is published away from home, and the second at home. And nothing was published before: the leader of before is
 * to be fenced by its name all the same. */
static void ids_that_a_publisher_is_told_hold_while_the_outbox_comes_home(void **state)
{
    (void)state;
    pg_fixture *primary = shop_new(NULL), *standby = pg_fixture_new_standby(primary);
    PGconn *conn = shop_connect(primary);
    expect_sql(conn, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'");
    pg_run(conn, "CREATE TABLE told (id bigint, event_id uuid)");
    expect_sql(conn,
               "SELECT bool_and(replay_lsn >= pg_current_wal_flush_lsn())::int FROM pg_stat_replication");
    char *name = transactions_name(conn);
    PQfinish(conn);
    pg_fixture_stop(primary, PG_STOP_IMMEDIATE);
    pg_fixture_promote(standby);
    conn = shop_connect(standby);
    PGconn *relay = shop_connect(standby);
    static const char tell[] =
        "INSERT INTO told SELECT * FROM postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])";
    static const char ask[] =
        "INSERT INTO told SELECT p, postbus.event_id(p) FROM postbus.publish('t', 'v') p";
    pg_run(relay, "BEGIN; SELECT * FROM postbus.adopt_timeline()");
    pg_run(conn, "BEGIN; %s", tell);
    pg_run(relay, "COMMIT");
    pg_run(conn, "%s", tell);
    pg_run(conn, "%s", ask);
    pg_run(conn, "COMMIT");
    pg_run(conn, "%s", tell);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM told JOIN postbus.outbox o USING (id) "
                                     "WHERE told.event_id = coalesce(o.event_id, postbus.event_id(o.id))"),
                     4);
    char *now = transactions_name(conn);
    assert_string_equal(now, name);
    free(now);
    free(name);
    PQfinish(relay);
    PQfinish(conn);
    pg_fixture_free(standby);
    pg_fixture_free(primary);
}

static int open_if_there_is_a_dump(void **state)
{
    pg_fixture *pg = pg_fixture_new(NULL);
    bool there = pg_fixture_shell(pg, "test -x $BIN/pg_dump") == 0;
    pg_fixture_free(pg);
    if (!there) /* some packages of PostgreSQL are the server alone */
        exit(77);
    return stage_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupted_it_leaves_what_it_found),
        cmocka_unit_test(a_sequence_that_has_caught_up_with_its_past_is_noticed_and_mended),
        cmocka_unit_test(a_copy_whose_sequence_has_caught_up_keeps_the_order_and_loses_nothing),
        cmocka_unit_test(transactions_that_were_there_before_the_copy_lose_nothing),
        cmocka_unit_test(a_transaction_that_is_younger_than_the_copy_loses_nothing),
        cmocka_unit_test(who_commits_in_the_midst_of_a_rebase_is_not_passed_over),
        cmocka_unit_test(an_intent_that_came_with_a_copy_makes_no_event_of_today_one_of_the_copy),
        cmocka_unit_test(a_rebase_inside_a_savepoint_is_refused_and_changes_nothing),
        cmocka_unit_test(what_came_with_a_copy_keeps_its_event_ids_when_transactions_get_its_numbers),
        cmocka_unit_test(ids_that_a_publisher_is_told_hold_while_the_outbox_comes_home),
    };
    return cmocka_run_group_tests(tests, open_if_there_is_a_dump, stage_close);
}
