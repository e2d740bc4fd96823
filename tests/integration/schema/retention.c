/* Closing and emptying leaves in SQL alone: what must stay, stays; nobody waits; ids only grow. */
#include "stage.h"

#include "postbus_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAF (INT64_C(1) << 30)
#define CLOSE "SELECT outcome FROM postbus.close_leaf('0 s')"

/* A database of the test's own. */
static PGconn *outbox_new(void)
{
    static int n;
    char name[32];
    PGconn *server = stage_connect("owner", "main");
    snprintf(name, sizeof name, "retention_%d", ++n);
    pg_run(server, "CREATE DATABASE %s", name);
    PQfinish(server);
    PGconn *owner = stage_connect("owner", name);
    pg_fixture_migrate_over(owner);
    return owner;
}

/* Another session of the same database. */
static PGconn *beside(PGconn *conn, const char *user)
{
    return stage_connect(user, PQdb(conn));
}

static void publish(PGconn *conn, int n)
{
    pg_run(conn, "SELECT count(postbus.publish('t', 'v' || i, 'k')) FROM generate_series(1, %d) i", n);
}

static int64_t last_id(PGconn *conn)
{
    return pg_number(conn, "SELECT last_value FROM postbus.outbox_id_seq");
}

/* As a relay settles all that is there. */
static void settle_all(PGconn *conn)
{
    pg_run(
        conn,
        "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)"
        " SELECT (l >> 30) & 15, 0, s, pg_snapshot_xmax(s), l, s, pg_snapshot_xmax(s), l, 0, l, 0"
        "   FROM (SELECT pg_current_snapshot() AS s, (SELECT last_value FROM postbus.outbox_id_seq) AS l) x");
}

/* As a relay notes where the events of a leaf went, in receipts of some rows each. */
static void write_receipts(PGconn *conn, int leaf)
{
    pg_run(conn,
           "INSERT INTO postbus.receipt SELECT %d, min(id), max(id), now(), array_agg(id ORDER BY id), "
           "array_agg(0), "
           "array_agg(id) FROM (SELECT id, row_number() OVER (ORDER BY id) / 7 AS n FROM postbus.outbox_%d) "
           "r GROUP BY n",
           leaf, leaf);
}

static char *clear(PGconn *conn, int leaf, const char *receipts)
{
    return pg_text(conn, "SELECT outcome FROM postbus.clear_leaf(%d, '0 s', %s)", leaf, receipts);
}

static void assert_cleared(PGconn *conn, const char *expected, int leaf, const char *receipts)
{
    char *outcome = clear(conn, leaf, receipts);
    if (strcmp(outcome, expected) != 0)
        fail_msg("leaf %d: %s instead of %s", leaf, outcome, expected);
    free(outcome);
}

/* Leaf 0 with n events, all done and each in a receipt; the sequence is in leaf 1. */
static PGconn *outbox_with_a_done_leaf(int n)
{
    PGconn *conn = outbox_new();
    publish(conn, n);
    pg_expect(conn, "closed", CLOSE);
    settle_all(conn);
    write_receipts(conn, 0);
    return conn;
}

static void closing_moves_the_sequence_to_the_next_empty_leaf(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    pg_expect(conn, "open", CLOSE);
    publish(conn, 3);
    pg_expect(conn, "open", "SELECT outcome FROM postbus.close_leaf('1 hour')");
    assert_int_equal(last_id(conn), 3);
    pg_expect(conn, "closed", CLOSE);
    assert_int_equal(last_id(conn), LEAF);
    assert_int_equal(pg_number(conn, "SELECT postbus.publish('t', 'v')"), LEAF + 1);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox_1"), 1);
    pg_expect(conn, "closed", CLOSE);
    pg_expect(conn, "open", CLOSE);
    assert_int_equal(last_id(conn), 2 * LEAF);
    PQfinish(conn);
}

static void a_leaf_that_holds_events_is_passed_over(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)LEAF);
    publish(conn, 1);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)(16 * LEAF));
    publish(conn, 1);
    settle_all(conn);
    pg_expect(conn, "2", "SELECT next_leaf FROM postbus.close_leaf('0 s')");
    assert_int_equal(last_id(conn), 18 * LEAF);
    PQfinish(conn);
}

/* The next leaf begins too soon to move the sequence there: it may have passed it between the look and the move. */
static void a_leaf_that_is_nearly_full_is_followed_by_the_next_but_one(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    publish(conn, 1);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)(LEAF - (1 << 28)));
    pg_expect(conn, "closed", CLOSE);
    assert_int_equal(last_id(conn), 2 * LEAF);
    PQfinish(conn);
}

static void a_ring_without_an_empty_leaf_is_not_closed(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    for (int64_t i = 0; i < 16; i++) {
        pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)((16 + i) * LEAF));
        publish(conn, 1);
    }
    settle_all(conn);
    pg_expect(conn, "full", CLOSE);
    assert_int_equal(last_id(conn), 31 * LEAF + 1);
    PQfinish(conn);
}

/* Rows that an old transaction may still bring lie within the sixteen leaves that the relay looks through. */
static void the_sequence_never_runs_a_whole_ring_ahead_of_the_floor(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    for (int i = 0; i < 14; i++) {
        publish(conn, 1);
        pg_expect(conn, "closed", CLOSE);
        pg_run(conn, "TRUNCATE postbus.outbox_%d", i);
    }
    publish(conn, 1);
    pg_expect(conn, "full", CLOSE);
    settle_all(conn);
    pg_expect(conn, "closed", CLOSE);
    PQfinish(conn);
}

static void two_closings_at_a_time_are_one(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    PGconn *other = beside(conn, "relay");
    publish(conn, 1);
    pg_run(other, "BEGIN");
    pg_expect(other, "closed", CLOSE);
    pg_expect(conn, "busy", CLOSE);
    assert_cleared(conn, "busy", 0, "false");
    pg_run(other, "COMMIT");
    pg_expect(conn, "open", CLOSE);
    PQfinish(other);
    PQfinish(conn);
}

static void a_rebase_and_a_closing_keep_apart(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    PGconn *other = beside(conn, "owner");
    publish(conn, 1);
    pg_run(other, "BEGIN; SELECT postbus.rebase()");
    pg_expect(conn, "busy", CLOSE);
    pg_run(other, "ROLLBACK; BEGIN");
    pg_expect(other, "closed", CLOSE);
    pg_expect_refused(conn, "55P03", "BEGIN; SET LOCAL lock_timeout = '50ms'; SELECT postbus.rebase()");
    pg_run(conn, "ROLLBACK");
    pg_run(other, "COMMIT");
    PQfinish(other);
    PQfinish(conn);
}

static void an_emptied_leaf_takes_its_receipts_and_progress_along(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(100);
    publish(conn, 5);
    PGconn *relay = beside(conn, "relay");
    assert_cleared(relay, "checked", 0, "true");
    assert_cleared(relay, "cleared", 0, "true");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox"), 5);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.receipt"), 0);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.progress_0"), 0);
    assert_int_equal(pg_number(conn, "SELECT floor_id FROM postbus.current_progress"), LEAF);
    assert_cleared(relay, "empty", 0, "true");
    PQfinish(relay);
    PQfinish(conn);
}

static void leaves_in_use_young_or_not_done_are_left_alone(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    publish(conn, 1);
    assert_cleared(conn, "in use", 0, "false");
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)(15 * LEAF));
    assert_cleared(conn, "in use", 15, "false");
    assert_cleared(conn, "in use", 0, "false"); /* the next one, and the one of the last progress */
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)(17 * LEAF));
    publish(conn, 1);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)(20 * LEAF));
    assert_cleared(conn, "incomplete", 1, "false");
    settle_all(conn);
    pg_expect(conn, "young", "SELECT outcome FROM postbus.clear_leaf(1, '1 hour', false)");
    assert_cleared(conn, "cleared", 1, "false");
    assert_cleared(conn, "cleared", 0, "false");
    assert_cleared(conn, "empty", 9, "false");
    PQfinish(conn);
}

/* A floor below the last id of the leaf's round: somebody may still hold an id of it. */
static void a_leaf_whose_end_the_floor_has_not_reached_stays(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(3);
    pg_run(
        conn,
        "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)"
        " SELECT leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, %lld, published FROM postbus.current_progress",
        (long long)(LEAF - 2));
    assert_cleared(conn, "incomplete", 0, "false");
    PQfinish(conn);
}

static void a_gap_in_the_receipts_keeps_the_leaf_and_is_counted(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(100);
    pg_run(conn, "UPDATE postbus.receipt SET ids = array_remove(ids, 50::bigint)");
    pg_expect(conn, "(gap,100,99,0,1,50,)", "SELECT c FROM postbus.clear_leaf(0, '0 s', true) c");
    assert_cleared(conn, "gap", 0, "true");
    pg_run(conn, "INSERT INTO postbus.parked (id, topic, reason) VALUES (50, 't', 'r')");
    pg_expect(conn, "(checked,100,99,1,0,,)", "SELECT c FROM postbus.clear_leaf(0, '0 s', true) c");
    PQfinish(conn);
    conn = outbox_with_a_done_leaf(3);
    pg_run(conn, "DELETE FROM postbus.receipt");
    assert_cleared(conn, "gap", 0, "true");
    assert_cleared(conn, "cleared", 0, "false");
    PQfinish(conn);
}

static void receipts_that_reach_far_or_repeat_count_once(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    publish(conn, 10);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', 600000000)");
    publish(conn, 250000);
    pg_expect(conn, "closed", CLOSE);
    settle_all(conn);
    write_receipts(conn, 0);
    pg_run(conn, "DELETE FROM postbus.receipt WHERE first_id <= 10 OR last_id > 600249990");
    pg_run(
        conn,
        "INSERT INTO postbus.receipt SELECT 0, 1, max(id), now(), array_agg(id ORDER BY id), array_agg(0), "
        "array_agg(0) FROM postbus.outbox_0 WHERE id <= 600000010 OR id > 600249980");
    pg_expect(conn, "(checked,200000,200000,0,0,,)", "SELECT c FROM postbus.clear_leaf(0, '0 s', true) c");
    pg_expect(conn, "(checked,50010,50010,0,0,,)", "SELECT c FROM postbus.clear_leaf(0, '0 s', true) c");
    assert_cleared(conn, "cleared", 0, "true");
    PQfinish(conn);
}

static void parked_events_stay_as_they_were(void **state)
{
    (void)state;
    static const char content[] = "SELECT string_agg(o::text, '|' ORDER BY id) FROM postbus.outbox o JOIN "
                                  "postbus.parked k USING (id)";
    PGconn *conn = outbox_with_a_done_leaf(20);
    pg_run(conn, "INSERT INTO postbus.parked (id, topic, reason) SELECT id, topic, 'r' FROM postbus.outbox "
                 "WHERE id IN (5, 7, 20)");
    char *before = pg_text(conn, content);
    assert_cleared(conn, "cleared", 0, "false");
    pg_expect(conn, before, content);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox"), 3);
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.event WHERE state = 'parked'"), 3);
    assert_cleared(conn, "empty", 0, "false");
    free(before);

    /* The ring comes round to the leaf; what is parked is no obstacle, and stays again. */
    for (int64_t i = 2; i < 16; i++) {
        publish(conn, 1);
        pg_expect(conn, "closed", CLOSE);
        settle_all(conn);
    }
    publish(conn, 1);
    pg_expect(conn, "0", "SELECT next_leaf FROM postbus.close_leaf('0 s')");
    publish(conn, 10);
    pg_expect(conn, "full", CLOSE);
    settle_all(conn);
    for (int leaf = 2; leaf < 16; leaf++)
        assert_cleared(conn, "cleared", leaf, "false");
    pg_expect(conn, "2", "SELECT next_leaf FROM postbus.close_leaf('0 s')");
    settle_all(conn);
    pg_run(conn, "DELETE FROM postbus.parked WHERE id = 7");
    assert_cleared(conn, "cleared", 0, "false");
    pg_expect(conn, "5 20", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM postbus.outbox_0");
    PQfinish(conn);
}

/* What an intent took from postbus.parked is parked again where its Kafka transaction was aborted. */
static void an_event_whose_transaction_is_in_doubt_stays_as_it_was(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(20);
    pg_run(conn, "INSERT INTO postbus.parked (id, topic, reason) SELECT id, topic, 'r' FROM postbus.outbox "
                 "WHERE id IN (5, 7)");
    stage_take_from_parked_by_an_intent(conn, 5);
    assert_cleared(conn, "cleared", 0, "false");
    pg_expect(conn, "aborted", "SELECT outcome FROM postbus.resolve(0, NULL, false)");
    pg_expect(conn, "5 7", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM postbus.parked");
    pg_expect(conn, "5 7", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM postbus.outbox_0");
    PQfinish(conn);
}

/* As many as hold events for a relay that asks how full the ring is. */
static void expect_leaves(PGconn *relay, int64_t n)
{
    assert_int_equal(pg_number(relay, "%s", sql_query("leaves")), n);
}

static void a_leaf_of_kept_events_alone_counts_as_empty(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(20), *relay = beside(conn, "relay");
    pg_run(conn, "INSERT INTO postbus.parked (id, topic, reason) SELECT id, topic, 'r' FROM postbus.outbox "
                 "WHERE id IN (5, 20)");
    expect_leaves(relay, 1);
    publish(conn, 1);
    expect_leaves(relay, 2);
    assert_cleared(conn, "cleared", 0, "false");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox_0"), 2);
    expect_leaves(relay, 1);
    pg_run(conn, "SELECT setval('postbus.outbox_id_seq', %lld)", (long long)(16 * LEAF));
    publish(conn, 1);
    expect_leaves(relay, 2);
    PQfinish(relay);
    PQfinish(conn);
}

/* Who asks how much waits holds the locks already that this needs of the outbox: it waits for nobody in between. */
static void counting_leaves_locks_no_more_of_the_outbox_than_the_backlog_does(void **state)
{
    (void)state;
    static const char *const locks =
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text ~ "
        "'^postbus.(outbox|receipt|progress)'";
    PGconn *conn = outbox_with_a_done_leaf(20), *relay = beside(conn, "relay");
    pg_run(relay, "BEGIN; SELECT pending FROM postbus.backlog()");
    int64_t n_before = pg_number(relay, "%s", locks);
    assert_in_range(n_before, 32, 200); /* sixteen leaves and their indexes */
    expect_leaves(relay, 1);
    assert_int_equal(pg_number(relay, "%s", locks), n_before);
    pg_run(relay, "COMMIT");
    PQfinish(relay);
    PQfinish(conn);
}

static void too_many_parked_events_keep_the_leaf(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(1001);
    pg_run(conn, "INSERT INTO postbus.parked (id, topic, reason) SELECT id, topic, 'r' FROM postbus.outbox");
    assert_cleared(conn, "parked", 0, "false");
    pg_run(conn, "DELETE FROM postbus.parked WHERE id = 3");
    assert_cleared(conn, "cleared", 0, "false");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox_0"), 1000);
    PQfinish(conn);
}

/* Readers of the view, pg_dump, an index build: whoever holds a lock on the leaf is waited for by nobody. */
static void a_reader_keeps_the_leaf_and_neither_waits(void **state)
{
    (void)state;
    static const char *const locks[] = {"outbox_0", "receipt_0", "progress_0"};
    PGconn *conn = outbox_with_a_done_leaf(10);
    PGconn *reader = beside(conn, "owner"), *publisher = beside(conn, "publisher");
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        pg_run(reader, "BEGIN; LOCK TABLE postbus.%s IN ACCESS SHARE MODE", locks[i]);
        assert_cleared(conn, "busy", 0, "false");
        pg_run(publisher, "SELECT postbus.publish('t', 'v')");
        pg_run(reader, "SELECT count(*) FROM postbus.event; COMMIT");
    }
    /* The leaf's indexes and its TOAST table are locked by TRUNCATE one by one: that waits, and not for long. */
    pg_run(reader, "BEGIN; SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = "
                   "'postbus.outbox_0'::regclass; "
                   "DECLARE c CURSOR FOR SELECT id FROM postbus.outbox_0 ORDER BY id; FETCH c");
    assert_cleared(conn, "busy", 0, "false");
    pg_run(reader, "COMMIT");
    assert_cleared(conn, "cleared", 0, "false");
    PQfinish(publisher);
    PQfinish(reader);
    PQfinish(conn);
}

static void publishers_do_not_wait_while_a_leaf_is_locked(void **state)
{
    (void)state;
    PGconn *conn = outbox_with_a_done_leaf(10);
    PGconn *publisher = beside(conn, "publisher");
    pg_run(publisher, "SET lock_timeout = '10ms'");
    pg_run(publisher, "SELECT postbus.publish('t', 'v')");
    pg_run(conn, "BEGIN");
    assert_cleared(conn, "cleared", 0, "false");
    pg_run(publisher, "SELECT postbus.publish('t', 'v')");
    pg_run(publisher,
           "INSERT INTO postbus.outbox (topic, value) SELECT 't', 'v' FROM generate_series(1, 100)");
    PGconn *fresh = beside(conn, "publisher");
    pg_run(fresh, "SET lock_timeout = '10ms'");
    pg_run(fresh, "SELECT id FROM postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])");
    pg_run(conn, "ROLLBACK");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox_0"), 10);
    PQfinish(fresh);
    PQfinish(publisher);
    PQfinish(conn);
}

static void after_a_rebase_nobody_looks_for_receipts_of_what_was_before(void **state)
{
    (void)state;
    PGconn *conn = outbox_new();
    publish(conn, 10);
    assert_int_equal(pg_number(conn, "SELECT postbus.rebase()"), 10);
    pg_expect(conn, "closed", CLOSE);
    settle_all(conn);
    pg_expect(conn, "(gap,10,0,0,10,1,)", "SELECT c FROM postbus.clear_leaf(0, '0 s', true) c");
    PQfinish(conn);
}

static int64_t lead(PGconn *relay)
{
    return pg_number(relay,
                     "INSERT INTO postbus.leadership (relay, backend) VALUES ('r', 1) RETURNING epoch");
}

#define KEPT "SELECT concat_ws(' ', count(*), min(epoch), max(epoch)) FROM postbus.leadership"

static void of_the_leaders_the_newest_thousand_are_kept(void **state)
{
    (void)state;
    PGconn *conn = outbox_new(), *relay = beside(conn, "relay");
    pg_run(conn,
           "INSERT INTO postbus.leadership (relay, backend) SELECT 'r', 1 FROM generate_series(1, 1200)");
    pg_expect(conn, "1000 201 1200", KEPT);
    assert_int_equal(lead(relay), 1201);
    pg_expect(conn, "1000 202 1201", KEPT);
    pg_run(relay, "BEGIN");
    lead(relay);
    pg_run(relay, "ROLLBACK");
    assert_int_equal(lead(relay), 1203);
    pg_expect(conn, "1000 203 1203", KEPT);
    pg_expect_refused(relay, "42501", "DELETE FROM postbus.leadership");
    PQfinish(relay);
    PQfinish(conn);
}

static void who_holds_an_old_leadership_keeps_no_relay_from_the_lead(void **state)
{
    (void)state;
    PGconn *conn = outbox_new(), *relay = beside(conn, "relay"), *holder = beside(conn, "owner");
    pg_run(conn,
           "INSERT INTO postbus.leadership (relay, backend) SELECT 'r', 1 FROM generate_series(1, 1000)");
    pg_run(holder, "BEGIN; SELECT FROM postbus.leadership WHERE epoch = 1 FOR UPDATE");
    pg_run(relay, "SET lock_timeout = 1000");
    lead(relay);
    pg_expect(conn, "1001 1 1001", KEPT);
    pg_run(holder, "ROLLBACK");
    lead(relay);
    pg_expect(conn, "1000 3 1002", KEPT);
    PQfinish(holder);
    PQfinish(relay);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_moves_the_sequence_to_the_next_empty_leaf),
        cmocka_unit_test(a_leaf_that_holds_events_is_passed_over),
        cmocka_unit_test(a_leaf_that_is_nearly_full_is_followed_by_the_next_but_one),
        cmocka_unit_test(a_ring_without_an_empty_leaf_is_not_closed),
        cmocka_unit_test(the_sequence_never_runs_a_whole_ring_ahead_of_the_floor),
        cmocka_unit_test(two_closings_at_a_time_are_one),
        cmocka_unit_test(a_rebase_and_a_closing_keep_apart),
        cmocka_unit_test(an_emptied_leaf_takes_its_receipts_and_progress_along),
        cmocka_unit_test(leaves_in_use_young_or_not_done_are_left_alone),
        cmocka_unit_test(a_leaf_whose_end_the_floor_has_not_reached_stays),
        cmocka_unit_test(a_gap_in_the_receipts_keeps_the_leaf_and_is_counted),
        cmocka_unit_test(receipts_that_reach_far_or_repeat_count_once),
        cmocka_unit_test(parked_events_stay_as_they_were),
        cmocka_unit_test(an_event_whose_transaction_is_in_doubt_stays_as_it_was),
        cmocka_unit_test(a_leaf_of_kept_events_alone_counts_as_empty),
        cmocka_unit_test(counting_leaves_locks_no_more_of_the_outbox_than_the_backlog_does),
        cmocka_unit_test(too_many_parked_events_keep_the_leaf),
        cmocka_unit_test(a_reader_keeps_the_leaf_and_neither_waits),
        cmocka_unit_test(publishers_do_not_wait_while_a_leaf_is_locked),
        cmocka_unit_test(after_a_rebase_nobody_looks_for_receipts_of_what_was_before),
        cmocka_unit_test(of_the_leaders_the_newest_thousand_are_kept),
        cmocka_unit_test(who_holds_an_old_leadership_keeps_no_relay_from_the_lead),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
