/* The last id drawn, while others draw ids: the relay takes for granted that ids above it are drawn later. PostgreSQL puts up to 32 more into the
 * sequence's row for the moment in which it logs them, and a plain SELECT can see that. */
#include "stage.h"

#include <stdio.h>

#include "postbus_sql.h"

#define LOOKS 50000 /* a plain SELECT is ahead about once in 5,000 */

static PGconn *start_drawing(void)
{
    PGconn *conn = stage_connect("owner", "main");
    assert_true(
        PQsendQuery(conn, "DO $$ BEGIN LOOP PERFORM nextval('postbus.outbox_id_seq'); END LOOP; END $$"));
    return conn;
}

static void stop_drawing(PGconn *conn)
{
    char why[256];
    PGcancel *cancel = PQgetCancel(conn);
    assert_true(PQcancel(cancel, why, sizeof why));
    PQfreeCancel(cancel);
    for (PGresult *res; (res = PQgetResult(conn));) /* until it draws no more */
        PQclear(res);
    PQfinish(conn);
}

/* How often an expression over the sequence gave more than had been drawn when it was looked at again under the sequence's own lock. */
static int64_t times_ahead(PGconn *conn, const char *from)
{
    pg_run(conn, "CREATE TEMPORARY TABLE IF NOT EXISTS ahead (n int)");
    pg_run(conn,
           "DO $d$ DECLARE seen bigint; drawn bigint; BEGIN FOR i IN 1..%d LOOP"
           "  SELECT x.l INTO seen FROM (%s) x;"
           "  drawn := pg_sequence_last_value('postbus.outbox_id_seq');"
           "  IF seen > drawn THEN INSERT INTO ahead VALUES (i); END IF;"
           "END LOOP; END $d$",
           LOOKS, from);
    return pg_number(conn, "WITH gone AS (DELETE FROM ahead RETURNING 1) SELECT count(*) FROM gone");
}

static void the_last_id_is_never_ahead_of_what_was_drawn(void **state)
{
    (void)state;
    char snapshot[4096];
    snprintf(snapshot, sizeof snapshot, "SELECT l FROM (%s) x (s, l, e, g, c, n)", sql_query("snapshot"));
    PGconn *owner = stage_connect("owner", "main");
    assert_int_equal(pg_number(owner, "SELECT postbus.drawn_id()"), 0);
    PGresult *never = pg_rows(owner, "%s", snapshot);
    assert_true(PQgetisnull(never, 0, 0));
    PQclear(never);
    PGconn *writers[] = {start_drawing(), start_drawing()};
    while (pg_number(owner, "SELECT postbus.drawn_id()") == 0)
        ;
    assert_int_equal(times_ahead(owner, snapshot), 0);
    assert_int_equal(times_ahead(owner, "SELECT postbus.drawn_id() AS l"), 0);
    for (int i = 0; i < 2; i++)
        stop_drawing(writers[i]);
    int64_t drawn = pg_number(owner, "SELECT nextval('postbus.outbox_id_seq')");
    assert_int_equal(pg_number(owner, "SELECT postbus.drawn_id()"), drawn);
    assert_int_equal(pg_number(owner, "%s", snapshot), drawn);
    PQfinish(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_id_is_never_ahead_of_what_was_drawn)};
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
