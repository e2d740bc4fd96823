/* Each state of a connection leads to the result that publisher.h promises. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const pbus_publish_options autocommit = {sizeof autocommit, PBUS_ALLOW_AUTOCOMMIT};

static void expect_all_three(stage *s, pbus_status expected, const char *says)
{
    pbus_event event = stage_event("orders", "1", "v");
    pbus_published out = {.id = -7};
    stage_expect_refusal(s, pbus_publish(s->app, &event, NULL, &out, &s->err), expected, says);
    stage_expect_refusal(s, pbus_publish_batch(s->app, &event, 1, NULL, &out, &s->err), expected, says);
    stage_expect_refusal(s, pbus_publish_send(s->app, &event, 1, NULL, &s->err), expected, says);
    assert_int_equal(out.id, -7);
}

static void outside_a_transaction_nothing_is_published(void **state)
{
    stage *s = *state;
    expect_all_three(s, PBUS_ERROR_NO_TRANSACTION, "BEGIN first");
    assert_false(s->err.retriable);
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_IDLE);
    assert_int_equal(stage_count(s), 0);
}

static void autocommit_is_allowed_by_its_flag(void **state)
{
    stage *s = *state;
    pbus_event events[2] = {stage_event("orders", "1", "v"), stage_event("orders", "2", "v")};
    stage_expect(s, pbus_publish(s->app, events, &autocommit, NULL, &s->err), PBUS_OK);
    assert_int_equal(stage_count(s), 1);
    stage_expect(s, pbus_publish_batch(s->app, events, 2, &autocommit, NULL, &s->err), PBUS_OK);
    assert_int_equal(stage_count(s), 3);
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_IDLE);
    pg_run(s->app, "BEGIN"); /* the flag commits nothing that the application opened */
    stage_expect(s, pbus_publish(s->app, events, &autocommit, NULL, &s->err), PBUS_OK);
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_INTRANS);
    pg_run(s->app, "ROLLBACK");
    assert_int_equal(stage_count(s), 3);
}

static void in_a_failed_transaction_nothing_is_sent(void **state)
{
    stage *s = *state;
    pg_run(s->app, "BEGIN");
    assert_string_equal(pg_refused(s->app, "SELECT 1/0"), "22012");
    expect_all_three(s, PBUS_ERROR_FAILED_TRANSACTION, "roll back");
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_INERROR);
}

static void a_connection_that_broke_unnoticed_is_told(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pbus_published out = {.id = -7};
    pg_run(s->app, "BEGIN");
    pg_end_backend(s->operator_conn, PQbackendPID(s->app));
    stage_expect(s, pbus_publish(s->app, &event, NULL, &out, &s->err), PBUS_ERROR_CONNECTION);
    assert_true(s->err.retriable);
    assert_int_equal(out.id, -7);
    expect_all_three(s, PBUS_ERROR_CONNECTION, "Connect again");
}

static void a_server_that_dies_is_told(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pg_run(s->app, "BEGIN");
    pg_fixture_restart(stage_server, PG_STOP_IMMEDIATE);
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_CONNECTION);
    assert_true(s->err.retriable);
    PQreset(s->operator_conn);
    assert_int_equal(stage_count(s), 0);
    PQreset(s->app);
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), 1);
}

static void an_active_command_keeps_its_results(void **state)
{
    stage *s = *state;
    pg_run(s->app, "BEGIN");
    assert_int_equal(PQsendQuery(s->app, "SELECT 41; SELECT 42"), 1);
    expect_all_three(s, PBUS_ERROR_BUSY, "PQgetResult");
    PGresult *first = PQgetResult(s->app);
    assert_string_equal(PQgetvalue(first, 0, 0), "41");
    PQclear(first);
    expect_all_three(s, PBUS_ERROR_BUSY, "PQgetResult");
    PGresult *second = PQgetResult(s->app);
    assert_string_equal(PQgetvalue(second, 0, 0), "42");
    PQclear(second);
    assert_null(PQgetResult(s->app));
    pbus_event event = stage_event("orders", "1", "v");
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_OK);
}

static void a_copy_in_progress_is_not_disturbed(void **state)
{
    stage *s = *state;
    pg_run(s->operator_conn, "CREATE TABLE t (n int); GRANT INSERT ON t TO shop_app");
    pg_run(s->app, "BEGIN");
    PQclear(PQexec(s->app, "COPY t FROM STDIN"));
    expect_all_three(s, PBUS_ERROR_BUSY, "another command");
    assert_int_equal(PQputCopyData(s->app, "7\n", 2), 1);
    assert_int_equal(PQputCopyEnd(s->app, NULL), 1);
    for (PGresult *r; (r = PQgetResult(s->app)) != NULL; PQclear(r))
        assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
    pg_run(s->app, "COMMIT");
    assert_int_equal(pg_number(s->operator_conn, "SELECT n FROM t"), 7);
}

static void pipeline_mode_asks_for_send(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pg_run(s->app, "BEGIN");
    assert_int_equal(PQenterPipelineMode(s->app), 1);
    stage_expect_refusal(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_PIPELINE,
                         "pbus_publish_send");
    stage_expect_refusal(s, pbus_publish_batch(s->app, &event, 1, NULL, NULL, &s->err), PBUS_ERROR_PIPELINE,
                         "pbus_publish_send");
    assert_int_equal(PQexitPipelineMode(s->app), 1); /* nothing was queued */
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_OK);
}

static void an_unfinished_connection_is_busy(void **state)
{
    stage *s = *state;
    char *conninfo = pg_fixture_conninfo(stage_server, "shop", "shop_app");
    PGconn *conn = PQconnectStart(conninfo);
    pbus_event event = stage_event("orders", "1", "v");
    stage_expect_refusal(s, pbus_publish(conn, &event, &autocommit, NULL, &s->err), PBUS_ERROR_BUSY,
                         "PQconnectPoll");
    stage_expect(s, pbus_publish_send(conn, &event, 1, &autocommit, &s->err), PBUS_ERROR_BUSY);
    PQfinish(conn);
    free(conninfo);
}

static void notifications_and_notices_reach_the_application(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pg_run(s->app, "LISTEN shop");
    pg_run(s->operator_conn, "NOTIFY shop");
    stage_expect(s, pbus_publish(s->app, &event, &autocommit, NULL, &s->err), PBUS_OK);
    stage_expect(s, pbus_publish(s->app, &event, &autocommit, NULL, &s->err), PBUS_OK);
    PGnotify *notify = PQnotifies(s->app);
    assert_non_null(notify);
    PQfreemem(notify);
}

/* Of the address space, from now on. */
static void leave(rlim_t bytes)
{
    struct rlimit limit;
    long pages;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur =
        bytes == RLIM_INFINITY ? limit.rlim_max : (rlim_t)(pages * sysconf(_SC_PAGESIZE)) + bytes;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* libpq has no room for what is to be sent; the connection and its transaction are well. */
static void no_memory_to_send_is_no_broken_connection(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their address space is not to be limited */
#endif
    enum { LARGE = 300000000 };
    stage *s = *state;
    char *value = malloc(LARGE);
    assert_non_null(value);
    memset(value, 'v', LARGE);
    pbus_event event = stage_event("orders", "1", "v"), large = stage_event("orders", "1", NULL);
    large.value = value;
    large.value_size = LARGE;
    pg_run(s->app, "BEGIN");
    leave(64 << 20);
    pbus_status status = pbus_publish(s->app, &large, NULL, NULL, &s->err);
    leave(RLIM_INFINITY);
    free(value);
    stage_expect_refusal(s, status, PBUS_ERROR_MEMORY, "memory");
    assert_false(s->err.retriable);
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_INTRANS);
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(outside_a_transaction_nothing_is_published),
        STAGE_TEST(autocommit_is_allowed_by_its_flag),
        STAGE_TEST(in_a_failed_transaction_nothing_is_sent),
        STAGE_TEST(a_connection_that_broke_unnoticed_is_told),
        STAGE_TEST(a_server_that_dies_is_told),
        STAGE_TEST(an_active_command_keeps_its_results),
        STAGE_TEST(a_copy_in_progress_is_not_disturbed),
        STAGE_TEST(pipeline_mode_asks_for_send),
        STAGE_TEST(an_unfinished_connection_is_busy),
        STAGE_TEST(notifications_and_notices_reach_the_application),
        STAGE_TEST(no_memory_to_send_is_no_broken_connection),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
