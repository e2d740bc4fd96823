/* Send and read: in the application's pipeline, and in its event loop. */
#include "stage.h"

#include <poll.h>
#include <string.h>

static const pbus_publish_options autocommit = {sizeof autocommit, PBUS_ALLOW_AUTOCOMMIT};

static void queue(stage *s, const char *sql)
{
    assert_int_equal(PQsendQueryParams(s->app, sql, 0, NULL, NULL, NULL, NULL, 0), 1);
}

/* The one result of the next command of a pipeline. */
static PGresult *next_result(stage *s)
{
    PGresult *result = PQgetResult(s->app);
    if (result && PQresultStatus(result) != PGRES_PIPELINE_SYNC)
        assert_null(PQgetResult(s->app));
    return result;
}

static void expect_result(stage *s, ExecStatusType expected)
{
    PGresult *result = next_result(s);
    assert_int_equal(PQresultStatus(result), expected);
    PQclear(result);
}

static void events_travel_in_the_applications_pipeline(void **state)
{
    stage *s = *state;
    pbus_event events[3] = {stage_event("orders", "1", "a"), stage_event("orders", "2", "b"),
                            stage_event("orders", "3", "c")};
    pbus_published one, out[3];
    assert_int_equal(PQenterPipelineMode(s->app), 1);
    queue(s, "BEGIN");
    queue(s, "SELECT 1");
    stage_expect(s, pbus_publish_send(s->app, events, 1, NULL, &s->err), PBUS_OK);
    stage_expect(s, pbus_publish_send(s->app, events, 3, NULL, &s->err), PBUS_OK);
    queue(s, "COMMIT");
    assert_int_equal(PQpipelineSync(s->app), 1);
    expect_result(s, PGRES_COMMAND_OK);
    expect_result(s, PGRES_TUPLES_OK);
    PGresult *result = next_result(s);
    stage_expect(s, pbus_publish_read(result, 1, &one, &s->err), PBUS_OK);
    PQclear(result);
    result = next_result(s);
    stage_expect(s, pbus_publish_read(result, 3, out, &s->err), PBUS_OK);
    PQclear(result);
    expect_result(s, PGRES_COMMAND_OK);
    expect_result(s, PGRES_PIPELINE_SYNC);
    assert_int_equal(PQexitPipelineMode(s->app), 1);
    assert_int_equal(stage_count(s), 4);
    assert_int_equal(one.id + 1, out[0].id);
    assert_int_equal(pg_number(s->operator_conn, "SELECT max(id) FROM postbus.outbox"), out[2].id);
}

static void a_pipeline_that_failed_before_skips_the_publish(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "a");
    pbus_published out = {.id = -7};
    assert_int_equal(PQenterPipelineMode(s->app), 1);
    queue(s, "BEGIN");
    queue(s, "SELECT 1/0");
    stage_expect(s, pbus_publish_send(s->app, &event, 1, NULL, &s->err), PBUS_OK);
    assert_int_equal(PQpipelineSync(s->app), 1);
    expect_result(s, PGRES_COMMAND_OK);
    expect_result(s, PGRES_FATAL_ERROR);
    PGresult *result = next_result(s);
    stage_expect_refusal(s, pbus_publish_read(result, 1, &out, &s->err), PBUS_ERROR_SKIPPED,
                         "earlier command");
    PQclear(result);
    assert_int_equal(out.id, -7);
    expect_result(s, PGRES_PIPELINE_SYNC);
    /* Nothing is queued now, so the failed transaction is known. */
    stage_expect(s, pbus_publish_send(s->app, &event, 1, NULL, &s->err), PBUS_ERROR_FAILED_TRANSACTION);
    assert_int_equal(PQexitPipelineMode(s->app), 1);
    assert_int_equal(stage_count(s), 0);
}

static void a_refused_event_of_a_pipeline_says_why(void **state)
{
    stage *s = *state;
    pbus_event bad = stage_event("a b", "1", "a"), good = stage_event("orders", "1", "a");
    assert_int_equal(PQenterPipelineMode(s->app), 1);
    queue(s, "BEGIN");
    stage_expect(s, pbus_publish_send(s->app, &bad, 1, NULL, &s->err), PBUS_OK);
    stage_expect(s, pbus_publish_send(s->app, &good, 1, NULL, &s->err), PBUS_OK);
    assert_int_equal(PQpipelineSync(s->app), 1);
    expect_result(s, PGRES_COMMAND_OK);
    PGresult *result = next_result(s);
    stage_expect_refusal(s, pbus_publish_read(result, 1, NULL, &s->err), PBUS_ERROR_TOPIC, "\"a b\"");
    assert_string_equal(s->err.sqlstate, "PB001");
    PQclear(result);
    result = next_result(s);
    stage_expect(s, pbus_publish_read(result, 1, NULL, &s->err), PBUS_ERROR_SKIPPED);
    PQclear(result);
    expect_result(s, PGRES_PIPELINE_SYNC);
}

static void a_refused_send_leaves_the_pipeline_usable(void **state)
{
    stage *s = *state;
    pbus_event bad = {0}, good = stage_event("orders", "1", "a");
    assert_int_equal(PQenterPipelineMode(s->app), 1);
    queue(s, "BEGIN");
    stage_expect(s, pbus_publish_send(s->app, &bad, 1, NULL, &s->err), PBUS_ERROR_TOPIC);
    stage_expect(s, pbus_publish_send(s->app, &good, 1, NULL, &s->err), PBUS_OK);
    queue(s, "COMMIT");
    assert_int_equal(PQpipelineSync(s->app), 1);
    expect_result(s, PGRES_COMMAND_OK);
    expect_result(s, PGRES_TUPLES_OK);
    expect_result(s, PGRES_COMMAND_OK);
    expect_result(s, PGRES_PIPELINE_SYNC);
    assert_int_equal(stage_count(s), 1);
}

static void an_idle_pipeline_outside_a_transaction_needs_the_flag(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "a");
    assert_int_equal(PQenterPipelineMode(s->app), 1);
    stage_expect(s, pbus_publish_send(s->app, &event, 1, NULL, &s->err), PBUS_ERROR_NO_TRANSACTION);
    stage_expect(s, pbus_publish_send(s->app, &event, 1, &autocommit, &s->err), PBUS_OK);
    assert_int_equal(PQpipelineSync(s->app), 1);
    expect_result(s, PGRES_TUPLES_OK);
    expect_result(s, PGRES_PIPELINE_SYNC);
    assert_int_equal(stage_count(s), 1);
}

static void results_of_other_commands_are_not_taken_for_ours(void **state)
{
    stage *s = *state;
    pbus_published out = {.id = -7};
    PGresult *rows = pg_rows(s->app, "SELECT 1::bigint, gen_random_uuid()");
    stage_expect(s, pbus_publish_read(rows, 1, &out, &s->err), PBUS_ERROR_ARGUMENT);
    PQclear(rows);
    PGresult *begin = PQexec(s->app, "BEGIN");
    stage_expect(s, pbus_publish_read(begin, 1, &out, &s->err), PBUS_ERROR_ARGUMENT);
    PQclear(begin);
    stage_expect(s, pbus_publish_read(NULL, 1, &out, &s->err), PBUS_ERROR_ARGUMENT);
    assert_int_equal(out.id, -7);
}

/* What an event loop does with a connection that has something to say. */
static void serve_until_answered(stage *s)
{
    for (;;) {
        int unsent = PQflush(s->app);
        assert_true(unsent >= 0);
        if (!unsent && !PQisBusy(s->app))
            return;
        struct pollfd fd = {PQsocket(s->app), (short)(POLLIN | (unsent ? POLLOUT : 0)), 0};
        assert_int_equal(poll(&fd, 1, 30000), 1);
        if (fd.revents & POLLIN)
            assert_int_equal(PQconsumeInput(s->app), 1);
    }
}

static void an_event_loop_sends_a_batch_without_blocking(void **state)
{
    stage *s = *state;
    enum { N = 20000 };
    static pbus_event events[N];
    static pbus_published out[N];
    static char value[500];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < N; i++)
        events[i] = (pbus_event){.topic = "orders", .value = value, .value_size = sizeof value};
    pg_run(s->app, "BEGIN");
    /* Stopped by a lock, the server answers nothing: a send that waits for it would hang here. */
    pg_run(s->operator_conn, "BEGIN; LOCK TABLE postbus.outbox IN ACCESS EXCLUSIVE MODE");
    assert_int_equal(PQsetnonblocking(s->app, 1), 0);
    stage_expect(s, pbus_publish_send(s->app, events, N, NULL, &s->err), PBUS_OK);
    stage_expect(s, pbus_publish(s->app, events, NULL, NULL, &s->err), PBUS_ERROR_BUSY);
    pg_run(s->operator_conn, "ROLLBACK");
    serve_until_answered(s);
    PGresult *result = PQgetResult(s->app);
    stage_expect(s, pbus_publish_read(result, N, out, &s->err), PBUS_OK);
    PQclear(result);
    assert_null(PQgetResult(s->app));
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), N);
    assert_int_equal(out[N - 1].id, out[0].id + N - 1);
}

static void row_by_row_results_are_refused_and_nothing_is_lost(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "a");
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish_send(s->app, &event, 1, NULL, &s->err), PBUS_OK);
    assert_int_equal(PQsetSingleRowMode(s->app), 1);
    PGresult *row = PQgetResult(s->app);
    stage_expect_refusal(s, pbus_publish_read(row, 1, NULL, &s->err), PBUS_ERROR_ARGUMENT, "row by row");
    PQclear(row);
    for (PGresult *r; (r = PQgetResult(s->app)) != NULL;)
        PQclear(r);
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(events_travel_in_the_applications_pipeline),
        STAGE_TEST(a_pipeline_that_failed_before_skips_the_publish),
        STAGE_TEST(a_refused_event_of_a_pipeline_says_why),
        STAGE_TEST(a_refused_send_leaves_the_pipeline_usable),
        STAGE_TEST(an_idle_pipeline_outside_a_transaction_needs_the_flag),
        STAGE_TEST(results_of_other_commands_are_not_taken_for_ours),
        STAGE_TEST(an_event_loop_sends_a_batch_without_blocking),
        STAGE_TEST(row_by_row_results_are_refused_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
