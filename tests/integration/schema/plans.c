/* What the relay's statements over tables that fill and empty look at, whatever the planner believes of them: as much as a page needs, counted in
 * blocks. A session of the relay keeps a plan for good, so that it may have been made of any state. */
#include "stage.h"

#include "postbus_sql.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARKED = 8000, PAGE = 100, BLOCKS_A_ROW = 40, ONCE_BLOCKS = 400 };

typedef struct statement {
    const char *name;
    const char *types;
    const char *
        values; /* %1$s: the first ids, %2$s: the first queues, %3$s: ids that are not parked; arrays of PAGE */
} statement;

static const statement statements[] = {
    {"redrive_page", "bigint[], int, bigint, bigint, text[]", "'{}', 100, 1000000, 0, '{away}'"},
    {"redrive_page", "bigint[], int, bigint, bigint, text[]", "%2$s, 100, 1000000, 0, '{}'"},
    {"redrive_end", "bigint, int", "0, 100"},
    {"redrive_stale", "bigint, bigint", "0, 100"},
    {"redriven", "bigint[], bigint[]", "%1$s, %1$s"},
    {"queues_empty", "bigint[]", "%2$s"},
    {"wishes", "bigint", "0"},
    {"page_parked", "text, int, bigint, bigint", "'t', 100, 1000000, 0"},
    {"lanes", "int", "0"},
    {"lane_missing", "text, bigint, bigint", "'t', 0, 0"},
    {"unpark", "bigint[]", "%1$s"},
    {"repark", "bigint[], text[], text[], bool[], bigint[], int[]",
     "%1$s, array_fill('topic_missing'::text, ARRAY[100]), array_fill('topic'::text, ARRAY[100]), "
     "array_fill(false, ARRAY[100]), %2$s, array_fill(3, ARRAY[100])"},
    {"park", "bigint[], text[], text[], bool[], bigint[], int[]",
     "%3$s, array_fill('topic_missing'::text, ARRAY[100]), "
     "array_fill('topic'::text, ARRAY[100]), array_fill(false, ARRAY[100]), %2$s, array_fill(3, ARRAY[100])"},
};
enum { STATEMENTS = sizeof statements / sizeof *statements };

/* What the tables held when the planner last looked, and when it made the plan. */
typedef struct history {
    const char *name;
    const char *before_plan;
    const char *after_plan;
} history;

/* One in fifty waits for its topic, the others have a wish; each is of a key of its own, or of ten. */
#define PARK(n, n_queues)                                                                                    \
    "INSERT INTO postbus.parked (id, topic, key, reason, waits_for, queue, error_code, attempts)"            \
    " SELECT o.id, o.topic, o.key, 'r',"                                                                     \
    " CASE WHEN o.id % 50 = 0 THEN 'topic' ELSE 'operator' END, hashint8extended(o.id % " #n_queues          \
    ", 0), 10, 1 FROM postbus.outbox o WHERE o.id <= " #n ";"                                                \
    "INSERT INTO postbus.wish (id, action, wished_by) SELECT k.id, 'redrive', 'w' FROM postbus.parked k"     \
    " WHERE k.id % 50 <> 0;"
#define LOOK "ANALYZE postbus.parked; ANALYZE postbus.wish;"
#define EMPTY "TRUNCATE postbus.parked, postbus.wish;"

static const history histories[] = {
    {"nobody has looked", PARK(8000, 1000000), ""},
    {"as it is", PARK(8000, 1000000) LOOK, ""},
    {"few keys, then many", PARK(8000, 10) LOOK EMPTY PARK(8000, 1000000), ""},
    {"many keys, then few", PARK(8000, 1000000) LOOK EMPTY PARK(8000, 10), ""},
    {"planned while empty", LOOK, PARK(8000, 1000000)},
    {"planned while small", PARK(40, 10) LOOK,
     "DELETE FROM postbus.parked; DELETE FROM postbus.wish;" PARK(8000, 1000000)},
};
enum { HISTORIES = sizeof histories / sizeof *histories };

static int fill(void **state)
{
    if (stage_start(state) != 0)
        return -1;
    PGconn *conn = stage_connect("owner", "main");
    pg_run(conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT 't', convert_to('k' || i, 'UTF8'), 'v'"
           " FROM generate_series(1, 2 * %d) i",
           PARKED);
    pg_run(conn, "VACUUM ANALYZE postbus.outbox");
    PQfinish(conn);
    return 0;
}

static long blocks_of(PGconn *conn, const char *values)
{
    char *text =
        pg_text(conn, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE asked(%s)", values);
    json_t *plans = json_loads(text, 0, NULL);
    json_t *top = json_object_get(json_array_get(plans, 0), "Plan");
    long n = (long)json_integer_value(json_object_get(top, "Shared Hit Blocks")) +
             (long)json_integer_value(json_object_get(top, "Shared Read Blocks"));
    json_decref(plans);
    free(text);
    return n;
}

static void show_plan(PGconn *conn, const char *values)
{
    PGresult *plan = pg_rows(conn, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE asked(%s)", values);
    for (int i = 0; i < PQntuples(plan); i++)
        print_error("%s\n", PQgetvalue(plan, i, 0));
    PQclear(plan);
}

static char *first_of(PGconn *conn, const char *column)
{
    return pg_text(conn,
                   "SELECT quote_literal(array_agg(%s)::text) FROM (SELECT %s FROM postbus.parked ORDER BY n "
                   "LIMIT %d) k",
                   column, column, PAGE);
}

static void look_at(PGconn *conn, const statement *s, const history *h)
{
    pg_run(conn, EMPTY); /* nothing dead is left of the one before */
    pg_run(conn, "BEGIN");
    pg_run(conn, "%s", sql_query("setup"));
    pg_run(conn, "SET search_path = pg_catalog; %s", h->before_plan);
    pg_run(conn, "PREPARE asked(%s) AS %s", s->types, sql_query(s->name));
    char values[8192];
    snprintf(values, sizeof values, s->values, "'{}'", "'{}'", "'{}'");
    pg_run(conn, "EXPLAIN EXECUTE asked(%s)", values);
    pg_run(conn, "%s", h->after_plan);
    char *ids = first_of(conn, "id"), *queues = first_of(conn, "queue");
    char *others = pg_text(conn, "SELECT quote_literal(array_agg(id)::text) FROM generate_series(%d, %d) id",
                           PARKED + 1, PARKED + PAGE);
    snprintf(values, sizeof values, s->values, ids, queues, others);
    long n = blocks_of(conn, values);
    assert_true(n > 0);
    if (n > PAGE * BLOCKS_A_ROW + ONCE_BLOCKS) {
        show_plan(conn, values);
        fail_msg("%s looked at %ld blocks for a page of %d, statistics: %s", s->name, n, PAGE, h->name);
    }
    free(ids);
    free(queues);
    free(others);
    pg_run(conn, "ROLLBACK");
}

static void a_page_costs_what_its_rows_cost_whatever_the_planner_believes(void **state)
{
    (void)state;
    for (int i = 0; i < STATEMENTS; i++)
        for (int j = 0; j < HISTORIES; j++) {
            PGconn *conn = stage_connect("owner", "main");
            look_at(conn, &statements[i], &histories[j]);
            PQfinish(conn);
        }
}

/* Twice six thousand events, each of a transaction of its own, between which an older one stays open with two thousand. */
static PGconn *publish_around_an_old_transaction(PGconn *conn)
{
    static const char singly[] = "DO $$ BEGIN FOR i IN 1 .. 6000 LOOP INSERT INTO postbus.outbox (topic, "
                                 "value) VALUES ('t', 'v'); COMMIT; END LOOP; END $$";
    PGconn *old = stage_connect("owner", "main");
    pg_run(conn, "SET synchronous_commit = off");
    pg_run(conn, singly);
    pg_run(old,
           "BEGIN; INSERT INTO postbus.outbox (topic, value) SELECT 't', 'v' FROM generate_series(1, 2000)");
    pg_run(conn, singly);
    return old;
}

static void prepare_stragglers(PGconn *conn)
{
    pg_run(conn, "%s", sql_query("setup"));
    pg_run(conn, "PREPARE asked(bigint, bigint, int, bigint, xid8[]) AS %s", sql_query("page_stragglers"));
    pg_run(conn, "SET postbus.s2 = '10:10:'; EXPLAIN EXECUTE asked(0, 1, 10000, 1000000, '{1}')");
}

/* values: of $3 and what follows it. */
static void expect_few_blocks(PGconn *conn, const char *before, const char *values, const char *of)
{
    enum { FEW_BLOCKS = 80 }; /* two for each leaf, and some rows */
    char all[300], *last = pg_text(conn, "SELECT max(id) FROM postbus.outbox");
    snprintf(all, sizeof all, "%s, %s, %s", before, last, values);
    pg_run(conn, "SELECT set_config('postbus.s2', pg_current_snapshot()::text, false)");
    long n = blocks_of(conn, all);
    if (n > FEW_BLOCKS) {
        show_plan(conn, all);
        fail_msg("a page of stragglers looked at %ld blocks: %s", n, of);
    }
    free(last);
}

static void expect_few_blocks_behind_an_old_transaction(PGconn *conn)
{
    char values[200], *before = pg_text(conn, "SELECT coalesce(max(id), 0) FROM postbus.outbox");
    PGconn *old = publish_around_an_old_transaction(conn);
    char *xid = pg_text(old, "SELECT pg_current_xact_id()");
    snprintf(values, sizeof values, "10000, 1000000, '{%s}'", xid);
    expect_few_blocks(conn, before, values, "the old transaction is still open");
    free(xid);
    pg_run(old, "ROLLBACK; BEGIN; INSERT INTO postbus.outbox (topic, value) VALUES ('t', 'v')");
    xid = pg_text(old, "SELECT pg_current_xact_id()");
    pg_run(old, "COMMIT");
    snprintf(values, sizeof values, "10000, 1000000, '{%s}'", xid);
    expect_few_blocks(conn, before, values, "the old transaction has ended, with one event");
    pg_run(conn, "DEALLOCATE asked; PREPARE asked(bigint, bigint, int, bigint, xid8[], xid8, xid8) AS %s",
           sql_query("page_stragglers_wide"));
    snprintf(values, sizeof values, "100, 1000000, '{}', '9', (%s + 1)::text::xid8", xid);
    expect_few_blocks(conn, before, values, "a hundred of all that came since");
    free(xid);
    free(before);
    PQfinish(old);
}

/* Whether the planner has ever seen the outbox or not. */
static void a_page_of_stragglers_costs_what_has_ended_not_what_came_since(void **state)
{
    (void)state;
    static const char *const looks[] = {"TRUNCATE postbus.outbox_0", "ANALYZE postbus.outbox"};
    for (int i = 0; i < 2; i++) {
        PGconn *conn = stage_connect("owner", "main");
        pg_run(conn, "%s", looks[i]);
        prepare_stragglers(conn);
        expect_few_blocks_behind_an_old_transaction(conn);
        PQfinish(conn);
    }
}

/* As many transactions as that, side by side, of 2,000 events each; their xids go to an array's text. */
static void publish_by_transactions(int n, char *xids, size_t size)
{
    PGconn *writers[16];
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        writers[i] = stage_connect("owner", "main");
        pg_run(writers[i], "BEGIN; INSERT INTO postbus.outbox (topic, value) SELECT 't', 'v' FROM "
                           "generate_series(1, 2000)");
        char *xid = pg_text(writers[i], "SELECT pg_current_xact_id()");
        used += (size_t)snprintf(xids + used, size - used, i ? ",%s" : "%s", xid);
        free(xid);
    }
    for (int i = 0; i < n; i++) {
        pg_run(writers[i], "COMMIT");
        PQfinish(writers[i]);
    }
}

/* However many transactions have ended, and however large they are. */
static void a_page_of_stragglers_sorts_no_more_than_its_rows(void **state)
{
    (void)state;
    char xids[400];
    PGconn *conn = stage_connect("owner", "main");
    char *before = pg_text(conn, "SELECT max(id) FROM postbus.outbox");
    publish_by_transactions(8, xids, sizeof xids);
    char *last = pg_text(conn, "SELECT max(id) FROM postbus.outbox");
    prepare_stragglers(conn);
    pg_run(conn, "SET work_mem = '64kB'");
    pg_run(conn, "SELECT set_config('postbus.s2', pg_current_snapshot()::text, false)");
    char *plan = pg_text(conn,
                         "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE asked(%s, %s, 100, "
                         "1000000, '{%s}')",
                         before, last, xids);
    json_t *plans = json_loads(plan, 0, NULL);
    json_t *top = json_object_get(json_array_get(plans, 0), "Plan");
    assert_int_equal((int)json_number_value(json_object_get(top, "Actual Rows")), 100); /* 18 says 100.00 */
    assert_int_equal(json_integer_value(json_object_get(top, "Temp Written Blocks")), 0);
    json_decref(plans);
    free(plan);
    free(before);
    free(last);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_costs_what_its_rows_cost_whatever_the_planner_believes),
        cmocka_unit_test(a_page_of_stragglers_sorts_no_more_than_its_rows),
        cmocka_unit_test(a_page_of_stragglers_costs_what_has_ended_not_what_came_since),
    };
    return cmocka_run_group_tests(tests, fill, stage_stop);
}
