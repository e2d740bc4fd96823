/* No committed event is lost by how the outbox is read: each case is a way in which an easier reader loses or misorders one. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "stage.h"
#include "wait_until.h"

#include <stdio.h>
#include <string.h>

/* The relay holds the doorbell's lock: beside the leader's, a second exclusive one. */
#define ASLEEP                                                                                               \
    "SELECT (count(*) = 2)::int FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND "   \
    "granted "                                                                                               \
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

static void the_first_row_of_a_new_sequence_is_published(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    publish(o->conn, o->topic, "k", 1);
    assert_int_equal(pg_number(o->conn, "SELECT min(id) FROM postbus.outbox"), 1);
    finish(o, relay);
}

/* The transaction has its xid before the relay's snapshot and its ids before and after; it commits when all others are done. */
static void rows_of_a_transaction_that_outlives_many_batches_are_published(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *slow = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(slow, "BEGIN; SELECT pg_current_xact_id()");
    for (int i = 0; i < 20; i++) {
        publish(o->conn, o->topic, "fast", 3);
        publish(slow, o->topic, "slow", 2);
        expect_sql(o->conn, "SELECT (count(*) = 0)::int FROM postbus.event WHERE state = 'pending'");
    }
    pg_run(slow, "COMMIT");
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    PQfinish(slow);
    outbox_free(o);
}

/* Each of these commits while the relay is between a snapshot and its fence, again and again: the xids lie in [xmax, fence). */
static void rows_committed_between_a_snapshot_and_its_fence_are_published(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    enum { N_WRITERS = 6, N_ROUNDS = 100 };
    PGconn *writers[N_WRITERS];
    for (int i = 0; i < N_WRITERS; i++)
        writers[i] = outbox_connect(o);
    for (int round = 0; round < N_ROUNDS; round++)
        for (int i = 0; i < N_WRITERS; i++) {
            bool begins = (round + i) % 3 == 0;
            if (begins)
                pg_run(writers[i], "BEGIN; SELECT pg_current_xact_id()");
            pg_run(writers[i], "SELECT postbus.publish('%s', 'v', 'k%d')", o->topic, i);
            if ((round + i) % 3 == 2)
                pg_run(writers[i], "COMMIT");
        }
    for (int i = 0; i < N_WRITERS; i++) {
        pg_run(writers[i], "COMMIT");
        PQfinish(writers[i]);
    }
    finish(o, relay);
}

/* A snapshot that is taken with an xid counts later rows of that xid as seen. */
static void a_snapshot_is_taken_without_an_xid(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    publish(o->conn, o->topic, "k", 5);
    pg_run(o->conn, "BEGIN");
    pg_run(o->conn, "%s", sql_query("snapshot"));
    pg_run(o->conn, "%s", sql_query("fence"));
    assert_int_equal(pg_number(o->conn, "SELECT (pg_current_xact_id_if_assigned() IS NULL)::int"), 1);
    pg_run(o->conn, "COMMIT");
    outbox_free(o);
}

static void a_fence_is_never_below_its_snapshot(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 200; i++)
        publish(o->conn, o->topic, "k", 1);
    expect_drained(o);
    assert_int_equal(pg_number(o->conn,
                               "SELECT count(*) FROM postbus.progress WHERE pg_visible_in_snapshot(x1, s1) "
                               "OR pg_visible_in_snapshot(x2, s2)"),
                     0);
    finish(o, relay);
}

static void a_prepared_transaction_committed_late_is_found_by_the_safety_poll(void **state)
{
    (void)state;
    static const char *const flags[] = {"--safety-poll-ms", "50", NULL};
    outbox *o = outbox_new();
    PGconn *quiet = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 1);
    expect_drained(o);
    pg_run(quiet,
           "SET postbus.ring = off; BEGIN; SELECT postbus.publish('%s', 'late', 'k'); PREPARE TRANSACTION "
           "'late_%s'",
           o->topic, o->database);
    publish(o->conn, o->topic, "other", 1);
    expect_drained(o);
    expect_sql(o->conn, ASLEEP);
    pg_run(o->conn, "COMMIT PREPARED 'late_%s'", o->database);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    PQfinish(quiet);
    relay_stop(relay);
    outbox_free(o);
}

/* The ring reaches the relay's connection while answers do: it then lies in libpq's memory, and the socket stays silent. */
static void a_ring_that_came_with_an_answer_wakes_the_relay(void **state)
{
    (void)state;
    static const char *const flags[] = {"--safety-poll-ms", "600000", "--idle-ms", "1", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    PGconn *second = outbox_connect(o);
    for (int i = 0; i < 150; i++) {
        publish(i % 2 ? second : o->conn, o->topic, i % 2 ? "a" : "b", 1);
        if (i % 3 == 0)
            expect_drained(o);
    }
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    PQfinish(second);
    assert_int_equal(proc_fixture_end(relay, 15, SOON_MS), 0);
    assert_int_equal(relay_counted(relay, "safety_found"), 0);
    assert_true(relay_counted(relay, "wakes") > 0);
    proc_fixture_free(relay);
    outbox_free(o);
}

/* Asynchronous commits that PostgreSQL forgets at an immediate stop; their xids are given to others, while the relay still runs. */
static void reused_xids_after_an_immediate_stop_hide_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int round = 0; round < 4; round++) {
        PGconn *async = outbox_connect(o);
        pg_run(async, "SET synchronous_commit = off");
        for (int i = 0; i < 40; i++)
            publish(async, o->topic, "async", 1);
        PQfinish(async);
        pg_fixture_restart(stage_pg, PG_STOP_IMMEDIATE);
        PQreset(o->conn);
        for (int i = 0; i < 40; i++)
            publish(o->conn, o->topic, "sync", 1);
        expect_drained(o);
    }
    expect_all_arrived(o, o->topic);
    assert_true(proc_fixture_running(relay));
    relay_stop(relay);
    outbox_free(o);
}

static void a_straggler_of_300000_rows_is_published_in_bounded_memory(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *slow = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(slow, "BEGIN");
    pg_run(slow,
           "INSERT INTO postbus.outbox (topic, value, key) SELECT '%s', convert_to(repeat('x', 200), "
           "'UTF8'), 'slow' FROM generate_series(1, 300000)",
           o->topic);
    publish(o->conn, o->topic, "fast", 10);
    expect_drained(o);
    pg_run(slow, "COMMIT");
    expect_published(o, 300010);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    expect_peak_below(relay, "300,000 stragglers", 128);
    relay_stop(relay);
    PQfinish(slow);
    outbox_free(o);
}

static void events_flow_across_a_leaf_boundary(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    publish(o->conn, o->topic, "k", 5);
    expect_drained(o);
    pg_run(o->conn, "SELECT setval('postbus.outbox_id_seq', (1 << 30) - 3)");
    for (int i = 0; i < 4; i++)
        publish(o->conn, o->topic, "k", 3);
    expect_drained(o);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.outbox_1"), 10);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

/* Each page has an event at least, and one without any is whole. */
static void pages_of_a_byte_read_on_while_a_transaction_is_open(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-bytes", "1", NULL};
    outbox *o = outbox_new();
    PGconn *old = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 3);
    expect_drained(o);
    pg_run(old, "BEGIN");
    publish(old, o->topic, "old", 3);
    for (int i = 0; i < 5; i++) {
        publish(o->conn, o->topic, "k", 2);
        expect_drained(o);
    }
    pg_run(old, "COMMIT");
    PQfinish(old);
    finish(o, relay);
}

static void stragglers_on_the_old_leaf_hold_up_nothing_and_are_published(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    PGconn *old = outbox_connect(o), *older = outbox_connect(o);
    proc_fixture *relay = relay_start_leading(o, NULL);
    publish(o->conn, o->topic, "k", 5);
    expect_drained(o);
    pg_run(older, "BEGIN; SELECT pg_current_xact_id()");
    pg_run(o->conn, "SELECT setval('postbus.outbox_id_seq', (1 << 30) - 5)");
    pg_run(old, "BEGIN");
    publish(old, o->topic, "old", 2);
    for (int i = 0; i < 150; i++) {
        publish(o->conn, o->topic, "k", 1);
        if (i % 3 == 0)
            expect_drained(o);
    }
    expect_sql(o->conn, ASLEEP);
    publish(older, o->topic, "older", 1);
    pg_run(old, "COMMIT");
    expect_drained(o);
    pg_run(older, "COMMIT");
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(proc_fixture_end(relay, 15, SOON_MS), 0);
    print_message("reads %ld, batches %ld\n", relay_counted(relay, "reads"), relay_counted(relay, "batches"));
    assert_true(relay_counted(relay, "batches") <= 160);
    proc_fixture_free(relay);
    PQfinish(old);
    PQfinish(older);
    outbox_free(o);
}

/* The page's rows lie in three leaves at once, and a relay starts with all of it before it. */
static void a_backlog_over_several_leaves_is_published_in_order(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-rows", "7", NULL};
    outbox *o = outbox_new();
    for (int leaf = 1; leaf <= 3; leaf++) {
        publish(o->conn, o->topic, "k", 20);
        pg_run(o->conn, "SELECT setval('postbus.outbox_id_seq', (1::bigint << 30) * %d - 11)", leaf);
    }
    publish(o->conn, o->topic, "k", 40);
    proc_fixture *relay = relay_start_leading(o, flags);
    finish(o, relay);
}

/* Pages are asked for ahead, by ids. Where few ids have rows they come to span many; the first dense stretch behind cuts one short, and what
 * was asked for behind that one must not be taken for its continuation. */
static void events_with_gaps_between_their_ids_are_all_published_in_order(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-rows", "10", NULL};
    outbox *o = outbox_new();
    for (int stretch = 0; stretch < 3; stretch++) {
        publish(o->conn, o->topic, "k", 300);
        for (int i = 0; i < 40; i++) {
            pg_run(o->conn,
                   "SELECT count(nextval('postbus.outbox_id_seq')) FROM generate_series(1, 40 << %d)",
                   stretch);
            publish(o->conn, o->topic, "k", 1);
        }
    }
    publish(o->conn, o->topic, "k", 300);
    finish(o, relay_start_leading(o, flags));
}

/* Of large values, so that pages are bounded in bytes: full, and nevertheless the last one. Seen to be waited behind for ever. */
static void a_full_page_that_ends_where_its_batch_ends_is_the_last(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-rows", "10", NULL};
    outbox *o = outbox_new();
    pg_run(o->conn,
           "SELECT count(postbus.publish('%s', repeat('x', 3000) || i, 'k')) FROM generate_series(1, 30) i",
           o->topic);
    proc_fixture *relay = relay_start_leading(o, flags);
    expect_drained(o);
    publish(o->conn, o->topic, "k", 10);
    finish(o, relay);
}

static void rolled_back_events_and_savepoints_are_never_published(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 30; i++) {
        pg_run(o->conn, "BEGIN");
        publish(o->conn, o->topic, "kept", 1);
        pg_run(o->conn, "SAVEPOINT s");
        publish(o->conn, o->topic, "undone", 1);
        pg_run(o->conn, "ROLLBACK TO s");
        publish(o->conn, o->topic, "kept", 1);
        pg_run(o->conn, i % 2 ? "COMMIT" : "ROLLBACK");
    }
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.outbox"), 30);
    relay_stop(relay);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_of_a_new_sequence_is_published),
        cmocka_unit_test(rows_of_a_transaction_that_outlives_many_batches_are_published),
        cmocka_unit_test(rows_committed_between_a_snapshot_and_its_fence_are_published),
        cmocka_unit_test(a_snapshot_is_taken_without_an_xid),
        cmocka_unit_test(a_fence_is_never_below_its_snapshot),
        cmocka_unit_test(a_prepared_transaction_committed_late_is_found_by_the_safety_poll),
        cmocka_unit_test(a_ring_that_came_with_an_answer_wakes_the_relay),
        cmocka_unit_test(a_straggler_of_300000_rows_is_published_in_bounded_memory),
        cmocka_unit_test(events_flow_across_a_leaf_boundary),
        cmocka_unit_test(pages_of_a_byte_read_on_while_a_transaction_is_open),
        cmocka_unit_test(stragglers_on_the_old_leaf_hold_up_nothing_and_are_published),
        cmocka_unit_test(a_backlog_over_several_leaves_is_published_in_order),
        cmocka_unit_test(events_with_gaps_between_their_ids_are_all_published_in_order),
        cmocka_unit_test(a_full_page_that_ends_where_its_batch_ends_is_the_last),
        cmocka_unit_test(rolled_back_events_and_savepoints_are_never_published),
        cmocka_unit_test(reused_xids_after_an_immediate_stop_hide_nothing),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
