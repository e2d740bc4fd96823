/* That no state of a relay or of the leaves makes a publish wait or fail. Every publish here runs under a statement_timeout
 * and a lock_timeout that turn waiting into an error. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOORBELL "8101821198368076544"
#define LEADER "8101821198368076545"

static PGconn *impatient_publisher(void)
{
    PGconn *conn = stage_connect("publisher", "main");
    pg_run(conn, "SET lock_timeout = '2s'; SET statement_timeout = '20s'");
    return conn;
}

static void publish_every_way(PGconn *conn)
{
    pg_run(conn, "SELECT postbus.publish('t', 'v')");
    pg_run(conn, "BEGIN; SELECT postbus.publish('t', repeat('x', 9000), 'k', 'y', '{\"a\":\"b\"}'); COMMIT");
    pg_run(conn, "SELECT * FROM postbus.publish_batch(ARRAY['t','u'], ARRAY['v','w']::bytea[])");
    pg_run(conn, "INSERT INTO postbus.outbox (topic, value) VALUES ('t', 'v')");
}

static void a_doorbell_held_for_ever_does_not_stop_publishing(void **state)
{
    (void)state;
    PGconn *relay = stage_connect("relay", "main");
    PGconn *conn = impatient_publisher();
    pg_run(relay, "LISTEN postbus; SELECT pg_advisory_lock(" DOORBELL "), pg_advisory_lock(" LEADER ")");
    publish_every_way(conn);
    pg_run(relay, "SELECT 1");
    PGnotify *ring = PQnotifies(relay);
    assert_non_null(ring);
    assert_string_equal(ring->relname, "postbus");
    PQfreemem(ring);
    PQfinish(conn);
    PQfinish(relay);
}

static void no_ring_is_sent_while_the_relay_is_awake(void **state)
{
    (void)state;
    PGconn *relay = stage_connect("relay", "main");
    PGconn *conn = impatient_publisher();
    pg_run(relay, "LISTEN postbus");
    publish_every_way(conn);
    pg_run(relay, "SELECT 1");
    assert_null(PQnotifies(relay));
    pg_run(conn, "BEGIN; SELECT postbus.publish('t', 'v')");
    pg_expect(relay, "f", "SELECT pg_try_advisory_lock(" DOORBELL ")");
    pg_run(conn, "COMMIT");
    pg_expect(relay, "t", "SELECT pg_try_advisory_lock(" DOORBELL ")");
    pg_run(conn, "BEGIN; SELECT postbus.publish('t', 'v'); ROLLBACK");
    pg_run(relay, "SELECT 1");
    assert_null(PQnotifies(relay));
    PQfinish(conn);
    PQfinish(relay);
}

static void a_waiting_relay_and_a_long_publisher_hold_up_nobody(void **state)
{
    (void)state;
    PGconn *slow = stage_connect("publisher", "main");
    PGconn *relay = stage_connect("relay", "main");
    PGconn *conn = impatient_publisher();
    pg_run(slow, "BEGIN; SELECT postbus.publish('t', 'v')");
    assert_int_equal(PQsendQuery(relay, "SELECT pg_advisory_lock(" DOORBELL ")"),
                     1); /* queues, which ours never does */
    publish_every_way(conn);
    pg_run(slow, "COMMIT");
    PQclear(PQgetResult(relay));
    PQfinish(relay);
    PQfinish(slow);
    PQfinish(conn);
}

static void truncating_another_leaf_does_not_stop_publishing(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = impatient_publisher();
    pg_run(conn, "SELECT postbus.publish('t', 'v')");
    for (int leaf = 1; leaf < 16; leaf++)
        pg_run(
            owner,
            "BEGIN; LOCK TABLE postbus.outbox_%d IN ACCESS EXCLUSIVE MODE NOWAIT; TRUNCATE postbus.outbox_%d",
            leaf, leaf);
    publish_every_way(conn);
    PGconn *fresh = impatient_publisher(); /* with nothing in its caches */
    publish_every_way(fresh);
    pg_run(owner, "COMMIT");
    pg_run(conn, "BEGIN; SELECT postbus.publish('t', 'v')");
    pg_run(owner, "BEGIN");
    pg_expect_refused(owner, "55P03", "LOCK TABLE postbus.outbox_0 IN ACCESS EXCLUSIVE MODE NOWAIT");
    pg_run(owner, "ROLLBACK");
    pg_run(conn, "COMMIT");
    PQfinish(fresh);
    PQfinish(conn);
    PQfinish(owner);
}

static void locked_progress_and_receipts_do_not_stop_publishing(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = impatient_publisher();
    pg_run(owner, "BEGIN; LOCK TABLE postbus.progress, postbus.receipt, postbus.parked, postbus.leadership, "
                  "postbus.instance IN ACCESS EXCLUSIVE MODE");
    publish_every_way(conn);
    pg_run(owner, "TRUNCATE postbus.progress, postbus.receipt, postbus.parked, postbus.leadership");
    publish_every_way(conn);
    pg_run(owner, "ROLLBACK");
    PQfinish(conn);
    PQfinish(owner);
}

/* A NOTIFY that nobody may clean up fills the queue; its size is fixed (8 GB before PostgreSQL 17), so half of it is not
 * reached by ringing in a test: the trigger is asked with a queue usage of its own instead. */
static void a_notify_queue_half_full_is_not_rung(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *relay = stage_connect("relay", "main");
    pg_run(owner, "CREATE DATABASE full_queue");
    PGconn *full = stage_connect("owner", "full_queue");
    pg_fixture_migrate_over(full);
    char *body = pg_text(
        full, "SELECT replace(prosrc, 'pg_catalog.pg_notification_queue_usage()', '0.6::float8') FROM pg_proc"
              " WHERE oid = 'postbus.ring()'::regprocedure");
    assert_non_null(strstr(body, "0.6::float8"));
    pg_run(full,
           "CREATE OR REPLACE FUNCTION postbus.ring() RETURNS trigger LANGUAGE plpgsql AS $body$%s$body$",
           body);
    free(body);
    PGconn *listener = stage_connect("owner", "full_queue");
    pg_run(listener, "LISTEN postbus; SELECT pg_advisory_lock(" DOORBELL ")");
    pg_run(full, "SELECT postbus.publish('t', 'v')");
    pg_run(listener, "SELECT 1");
    assert_null(PQnotifies(listener));
    PQfinish(listener);
    PQfinish(full);
    PQfinish(relay);
    pg_run(owner, "DROP DATABASE full_queue");
    PQfinish(owner);
}

static void ids_land_in_the_leaf_of_their_range(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = impatient_publisher();
    for (int64_t n = 1; n <= 33; n++) {
        long long last = (long long)(n << 30) - 1;
        pg_run(owner, "SELECT setval('postbus.outbox_id_seq', %lld, false)", last);
        pg_run(conn,
               "INSERT INTO postbus.outbox (topic, value) SELECT 'edge', 'v' FROM generate_series(1, 2)");
        assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox_%d WHERE id = %lld",
                                   (int)((n - 1) & 15), last),
                         1);
        assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox_%d WHERE id = %lld",
                                   (int)(n & 15), last + 1),
                         1);
    }
    long long far = 4611686018427387903LL; /* 2^62 - 1: the last id that has an event id of its own */
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', %lld, false)", far);
    pg_run(conn, "SELECT postbus.publish('edge', 'v')");
    assert_int_equal(pg_number(conn, "SELECT postbus.id_of(postbus.event_id(%lld))", far), far);
    PQfinish(conn);
    PQfinish(owner);
}

static void publishing_leaves_no_dead_rows_and_fills_two_indexes(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE EXTENSION IF NOT EXISTS pgstattuple");
    assert_int_equal(
        pg_number(owner, "SELECT count(*) FROM pg_index WHERE indrelid = 'postbus.outbox_0'::regclass"), 2);
    assert_int_equal(
        pg_number(
            owner,
            "SELECT count(*) FROM pg_index WHERE indrelid = 'postbus.outbox_0'::regclass AND indisunique"),
        0);
    int64_t dead = pg_number(owner, "SELECT dead_tuple_count FROM pgstattuple('postbus.outbox_0')");
    PGconn *conn = impatient_publisher();
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', 1000000, false)");
    for (int i = 0; i < 50; i++)
        publish_every_way(conn);
    assert_int_equal(pg_number(owner, "SELECT dead_tuple_count FROM pgstattuple('postbus.outbox_0')"), dead);
    assert_true(pg_number(owner, "SELECT tuple_count FROM pgstattuple('postbus.outbox_0')") >= 250);
    PQfinish(conn);
    PQfinish(owner);
}

static void an_event_is_not_parked_twice(void **state)
{
    (void)state;
    PGconn *relay = stage_connect("relay", "main");
    pg_run(relay, "INSERT INTO postbus.parked (id, topic, reason) VALUES (1, 't', 'r')");
    pg_expect_refused(relay, "23505", "INSERT INTO postbus.parked (id, topic, reason) VALUES (1, 't', 'r')");
    pg_run(relay, "DELETE FROM postbus.parked");
    PQfinish(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_doorbell_held_for_ever_does_not_stop_publishing),
        cmocka_unit_test(no_ring_is_sent_while_the_relay_is_awake),
        cmocka_unit_test(a_waiting_relay_and_a_long_publisher_hold_up_nobody),
        cmocka_unit_test(truncating_another_leaf_does_not_stop_publishing),
        cmocka_unit_test(locked_progress_and_receipts_do_not_stop_publishing),
        cmocka_unit_test(a_notify_queue_half_full_is_not_rung),
        cmocka_unit_test(ids_land_in_the_leaf_of_their_range),
        cmocka_unit_test(publishing_leaves_no_dead_rows_and_fills_two_indexes),
        cmocka_unit_test(an_event_is_not_parked_twice),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
