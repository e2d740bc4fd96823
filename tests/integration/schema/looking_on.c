/* The view postbus.event and postbus.backlog() over progress, receipts and parked events written by hand. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void progress(PGconn *relay, const char *s1, const char *s2, long long done_id)
{
    pg_run(relay,
           "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published)"
           " VALUES (0, 1, '%s', pg_snapshot_xmax('%s'::pg_snapshot), 0, '%s', "
           "pg_snapshot_xmax('%s'::pg_snapshot), 0, %lld, 0, 0)",
           s1, s1, s2, s2, done_id);
}

static void assert_states(PGconn *viewer, const char *expected)
{
    pg_expect(viewer, expected,
              "SELECT string_agg(topic || ' ' || state, ', ' ORDER BY id) FROM postbus.event");
}

static void an_event_goes_from_pending_to_published(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *relay = stage_connect("relay", "main");
    PGconn *viewer = stage_connect("viewer", "main");
    char *before = pg_text(relay, "SELECT pg_current_snapshot()");
    int64_t a = pg_number(conn, "SELECT postbus.publish('a', 'v')");
    pg_run(conn, "SELECT postbus.publish('b', 'v')");
    PGconn *slow = stage_connect("publisher", "main");
    pg_run(slow, "BEGIN; SELECT postbus.publish('slow', 'v')");
    char *after = pg_text(relay, "SELECT pg_current_snapshot()");
    assert_states(viewer, "a pending, b pending");
    assert_int_equal(pg_number(viewer, "SELECT pending FROM postbus.backlog()"), 2);
    pg_expect(viewer, "t",
              "SELECT oldest_pending_at = (SELECT created_at FROM postbus.event WHERE topic = 'a') FROM "
              "postbus.backlog()");
    progress(relay, before, before, 0);
    assert_states(viewer, "a pending, b pending");
    progress(relay, before, after, a);
    assert_states(viewer, "a published, b pending");
    assert_int_equal(pg_number(viewer, "SELECT pending FROM postbus.backlog()"), 1);
    progress(relay, after, after, a);
    assert_states(viewer, "a published, b published");
    pg_expect(viewer, NULL, "SELECT oldest_pending_at FROM postbus.backlog()");
    /* A straggler: its id is smaller than what is done, and it is pending nevertheless. */
    pg_run(slow, "SELECT postbus.publish('late', 'v'); COMMIT");
    assert_states(viewer, "a published, b published, slow pending, late pending");
    assert_int_equal(pg_number(viewer, "SELECT pending FROM postbus.backlog()"), 2);
    free(after);
    after = pg_text(relay, "SELECT pg_current_snapshot()");
    progress(relay, after, after, 0);
    assert_int_equal(pg_number(viewer, "SELECT pending FROM postbus.backlog()"), 0);
    free(before);
    free(after);
    PQfinish(slow);
    PQfinish(viewer);
    PQfinish(relay);
    PQfinish(conn);
}

static void an_event_without_a_receipt_has_no_partition(void **state)
{
    (void)state;
    PGconn *viewer = stage_connect("viewer", "main");
    assert_int_equal(pg_number(viewer, "SELECT count(*) FROM postbus.event WHERE num_nonnulls(completed_at, "
                                       "partition, broker_offset) > 0"),
                     0);
    assert_true(pg_number(viewer, "SELECT count(*) FROM postbus.event") > 0);
    PQfinish(viewer);
}

static void a_receipt_tells_partition_offset_and_time(void **state)
{
    (void)state;
    PGconn *relay = stage_connect("relay", "main");
    PGconn *viewer = stage_connect("viewer", "main");
    /* Overlapping ranges, as stragglers make them: only the arrays tell which receipt it is. */
    pg_run(relay,
           "INSERT INTO postbus.receipt VALUES (0, 1, 4, '2026-01-01 00:00+00', '{1,4}', '{7,8}', '{70,80}'),"
           " (0, 2, 3, '2026-01-02 00:00+00', '{2,3}', '{5,6}', '{50,60}')");
    pg_expect(viewer, "1 7 70 01, 2 5 50 02, 3 6 60 02, 4 8 80 01",
              "SELECT string_agg(concat_ws(' ', id, partition, broker_offset, to_char(completed_at, "
              "'DD')), ', ' ORDER BY id) FROM postbus.event");
    PQfinish(viewer);
    PQfinish(relay);
}

static void a_parked_event_says_so_until_it_is_released(void **state)
{
    (void)state;
    PGconn *relay = stage_connect("relay", "main");
    PGconn *viewer = stage_connect("viewer", "main");
    pg_run(relay, "INSERT INTO postbus.parked (id, topic, reason) VALUES (2, 'b', 'too large')");
    assert_states(viewer, "a published, b parked, slow published, late published");
    assert_int_equal(pg_number(viewer, "SELECT parked FROM postbus.backlog()"), 1);
    pg_run(relay, "DELETE FROM postbus.parked");
    assert_states(viewer, "a published, b published, slow published, late published");
    PQfinish(viewer);
    PQfinish(relay);
}

/* Whether the plan of a statement names this. */
static bool plan_has(PGconn *conn, const char *statement, const char *word)
{
    char *plan = NULL;
    PGresult *result;
    char sql[512];
    snprintf(sql, sizeof sql, "EXPLAIN (FORMAT JSON) %s", statement);
    result = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    plan = PQgetvalue(result, 0, 0);
    bool has = strstr(plan, word) != NULL;
    PQclear(result);
    return has;
}

static void lookups_take_the_index_and_no_scan(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *viewer = stage_connect("viewer", "main");
    pg_run(owner,
           "INSERT INTO postbus.outbox (topic, value) SELECT 'many', 'v' FROM generate_series(1, 20000)");
    pg_run(owner, "ANALYZE postbus.outbox_0");
    assert_true(plan_has(owner, "SELECT state FROM postbus.event WHERE id = 5000", "\"outbox_0_id_idx\""));
    assert_true(
        plan_has(owner, "SELECT * FROM postbus.event ORDER BY id DESC LIMIT 100", "\"outbox_0_id_idx\""));
    assert_true(plan_has(owner,
                         "SELECT * FROM postbus.event WHERE id = postbus.id_of(postbus.event_id(5000))",
                         "\"outbox_0_id_idx\""));
    assert_true(plan_has(owner, "SELECT state FROM postbus.event WHERE topic = 'x'", "\"Seq Scan\""));
    PQfinish(viewer);
    PQfinish(owner);
}

static void every_function_view_and_role_facing_column_is_described(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_expect(owner, NULL,
              "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc"
              " WHERE pronamespace = 'postbus'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL");
    pg_expect(owner, NULL,
              "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = "
              "'postbus'::regnamespace"
              " AND relkind IN ('r', 'p', 'v') AND NOT relispartition AND relname <> 'migration' AND "
              "obj_description(oid, 'pg_class') IS NULL");
    pg_expect(owner, NULL,
              "SELECT string_agg(attrelid::regclass || '.' || attname, ', ') FROM pg_attribute"
              " WHERE attrelid IN ('postbus.outbox'::regclass, 'postbus.event'::regclass, "
              "'postbus.progress'::regclass, 'postbus.receipt'::regclass)"
              " AND attnum > 0 AND col_description(attrelid, attnum) IS NULL");
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_goes_from_pending_to_published),
        cmocka_unit_test(an_event_without_a_receipt_has_no_partition),
        cmocka_unit_test(a_receipt_tells_partition_offset_and_time),
        cmocka_unit_test(a_parked_event_says_so_until_it_is_released),
        cmocka_unit_test(lookups_take_the_index_and_no_scan),
        cmocka_unit_test(every_function_view_and_role_facing_column_is_described),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
