/* postbus status: told by the database alone. */
#include "cmocka_all.h"

#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "pg_query.h"
#include "postbus_sql.h"
#include "proc_fixture.h"
#include "stage.h"

static json_t *status_json(void)
{
    stage_expect(0, POSTBUS("status", "--json"));
    json_t *all = json_loads(stage_said, 0, NULL);
    assert_non_null(all);
    return all;
}

static long long number(const json_t *all, const char *name)
{
    assert_true(json_is_number(json_object_get(all, name)));
    return (long long)json_number_value(json_object_get(all, name));
}

static void a_new_database_has_nothing_pending_and_no_leader(void **state)
{
    (void)state;
    stage_database("fresh");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(0, POSTBUS("status"));
    stage_says("pending         0\n");
    stage_says("last completed  never");
    stage_says("no relay has run yet");
    json_t *all = status_json();
    assert_int_equal(number(all, "pending"), 0);
    assert_true(json_is_null(json_object_get(all, "oldest_pending_s")));
    assert_true(json_is_null(json_object_get(all, "leader")));
    assert_true(json_is_null(json_object_get(all, "last_completed_at")));
    json_decref(all);
}

static void the_backlog_counts_while_no_relay_runs(void **state)
{
    (void)state;
    stage_database("backlog");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(0, stage_shell("seq 1234 | \"$POSTBUS\" publish t --lines"));
    PGconn *open = stage_connect();
    pg_run(open, "BEGIN; SELECT postbus.publish('t', 'not committed')");
    json_t *all = status_json();
    assert_int_equal(number(all, "pending"), 1234);
    assert_true(json_is_number(json_object_get(all, "oldest_pending_s")));
    assert_int_equal(number(all, "published"), 0);
    json_decref(all);
    PQfinish(open);
}

static void progress_and_leadership_are_told(void **state)
{
    (void)state;
    stage_database("leader");
    stage_expect(0, POSTBUS("migrate"));
    PGconn *relay = stage_connect();
    pg_run(relay,
           "INSERT INTO postbus.leadership (relay, backend) VALUES ('berta:7', pg_backend_pid());"
           "INSERT INTO postbus.progress (leaf, epoch, s1, x1, l1, s2, x2, l2, done_id, floor_id, published) "
           "SELECT leaf, 1, s1, x1, l1, s2, x2, l2, done_id, floor_id, 500 FROM postbus.current_progress");
    stage_expect(0, POSTBUS("status"));
    stage_says("no relay is running; the last one was berta:7");
    pg_run(relay, "SELECT pg_advisory_lock(%lld)", SQL_LOCK_LEADER);
    stage_expect(0, POSTBUS("status"));
    stage_says("leader          berta:7 since 20");
    stage_says("published       500, ");
    pg_run(relay, "INSERT INTO postbus.leadership (relay, backend) VALUES ('before:7', 1)");
    stage_expect(0, POSTBUS("status"));
    stage_says("leader          none yet: session ");
    json_t *next = status_json();
    assert_true(json_is_null(json_object_get(next, "leader")));
    json_decref(next);
    pg_run(relay, "DELETE FROM postbus.leadership WHERE backend = 1");
    json_t *all = status_json();
    assert_string_equal(json_string_value(json_object_get(all, "leader")), "berta:7");
    assert_true(json_number_value(json_object_get(all, "published_per_s")) > 0);
    json_decref(all);
    PQfinish(relay);
}

static void a_lock_in_another_database_is_no_leader_here(void **state)
{
    (void)state;
    stage_database("elsewhere");
    PGconn *elsewhere = stage_connect();
    pg_run(elsewhere, "SELECT pg_advisory_lock(%lld)", SQL_LOCK_LEADER);
    stage_database("here");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(0, POSTBUS("status"));
    stage_says("leader          none");
    PQfinish(elsewhere);
}

static void the_role_of_a_viewer_or_an_operator_is_enough(void **state)
{
    (void)state;
    static const char *const roles[] = {"postbus_viewer", "postbus_operator"};
    stage_database("viewed");
    stage_expect(0, POSTBUS("migrate"));
    PGconn *conn = stage_connect();
    for (int i = 0; i < 2; i++) {
        pg_run(conn, "DROP ROLE IF EXISTS looker; CREATE ROLE looker LOGIN IN ROLE %s", roles[i]);
        char *conninfo = pg_fixture_conninfo(stage_pg, "viewed", "looker");
        stage_expect(0, POSTBUS("status", "--database", conninfo));
        PGconn *looker = pg_fixture_connect(stage_pg, "viewed", "looker");
        pg_expect(looker, "t", "SELECT count(*) > 0 FROM postbus.migration");
        PQfinish(looker);
        free(conninfo);
    }
    PQfinish(conn);
}

static void a_database_without_the_schema_names_migrate(void **state)
{
    (void)state;
    stage_database("bare");
    stage_expect(1, POSTBUS("status"));
    stage_says("postbus migrate");
    stage_expect(1, POSTBUS("status", "--json"));
}

static void watching_goes_on_until_it_is_told_to_stop(void **state)
{
    (void)state;
    stage_database("watched");
    stage_expect(0, POSTBUS("migrate"));
    proc_fixture *watch =
        proc_fixture_start_postbus((const char *const[]){"status", "--watch", "--json", NULL}, NULL);
    proc_fixture_expect_log(watch, "\"pending\":0", 30000);
    stage_expect(0, POSTBUS("publish", "t", "v"));
    proc_fixture_expect_log(watch, "\"pending\":1", 30000);
    assert_int_equal(proc_fixture_end(watch, SIGINT, 30000), 0);
    proc_fixture_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_database_has_nothing_pending_and_no_leader),
        cmocka_unit_test(the_backlog_counts_while_no_relay_runs),
        cmocka_unit_test(progress_and_leadership_are_told),
        cmocka_unit_test(a_lock_in_another_database_is_no_leader_here),
        cmocka_unit_test(the_role_of_a_viewer_or_an_operator_is_enough),
        cmocka_unit_test(a_database_without_the_schema_names_migrate),
        cmocka_unit_test(watching_goes_on_until_it_is_told_to_stop),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
