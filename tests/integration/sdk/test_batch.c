/* Batches: all events or none, in their order, each with its id. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 50000 };

typedef struct batch {
    pbus_event events[MANY];
    pbus_published out[MANY];
    char values[MANY][12];
} batch;

static batch *batch_new(void)
{
    batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    for (int i = 0; i < MANY; i++) {
        snprintf(b->values[i], sizeof b->values[i], "%d", i);
        b->events[i] = stage_event("orders", i % 10 ? b->values[i] : NULL, b->values[i]);
    }
    return b;
}

/* Each id the caller was told is the row of its event. */
static void expect_told_ids(stage *s, const batch *b)
{
    PGresult *rows = pg_rows(
        s->operator_conn,
        "SELECT id, convert_from(value, 'UTF8'), postbus.event_id(id) FROM postbus.outbox ORDER BY id");
    assert_int_equal(PQntuples(rows), MANY);
    for (int i = 0; i < MANY; i++) {
        char text[PBUS_UUID_TEXT_SIZE];
        pbus_uuid_format(&b->out[i].event_id, text);
        assert_int_equal(atoll(PQgetvalue(rows, i, 0)), b->out[i].id);
        assert_string_equal(PQgetvalue(rows, i, 1), b->values[i]);
        assert_string_equal(PQgetvalue(rows, i, 2), text);
    }
    PQclear(rows);
}

static void fifty_thousand_events_arrive_in_order_with_their_ids(void **state)
{
    stage *s = *state;
    batch *b = batch_new();
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish_batch(s->app, b->events, MANY, NULL, b->out, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    expect_told_ids(s, b);
    assert_int_equal(pg_number(s->operator_conn, "SELECT count(*) FROM postbus.outbox WHERE key IS NULL"),
                     MANY / 10);
    free(b);
}

static void a_nonblocking_connection_takes_a_batch_larger_than_its_buffers(void **state)
{
    stage *s = *state;
    batch *b = batch_new();
    assert_int_equal(PQsetnonblocking(s->app, 1), 0);
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish_batch(s->app, b->events, MANY, NULL, b->out, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    expect_told_ids(s, b);
    free(b);
}

static void parts_may_differ_from_event_to_event(void **state)
{
    stage *s = *state;
    const pbus_header header = {"tenant", "\xc3\xa9\""};
    const pbus_uuid id = {{0xde, 0xad, [15] = 1}};
    pbus_event events[4] = {stage_event("a", NULL, NULL),
                            stage_event("b", "key", "value"),
                            {.topic = "c", .headers = &header, .n_headers = 1},
                            {.topic = "d", .value = "", .type = "t", .event_id = &id}};
    pbus_published out[4];
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish_batch(s->app, events, 4, NULL, out, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    char *rows = pg_text(
        s->operator_conn,
        "SELECT string_agg(concat_ws('|', topic, coalesce(key::text, '-'), coalesce(value::text, '-'),"
        " coalesce(type, '-'), coalesce(headers->>'tenant', '-'), coalesce(event_id::text, '-')),"
        " E'\\n' ORDER BY id) FROM postbus.outbox");
    assert_string_equal(rows, "a|-|-|-|-|-\n"
                              "b|\\x6b6579|\\x76616c7565|-|-|-\n"
                              "c|-|-|-|\xc3\xa9\"|-\n"
                              "d|-|\\x|t|-|dead0000-0000-0000-0000-000000000001");
    free(rows);
    assert_memory_equal(&out[3].event_id, &id, sizeof id);
    assert_true(out[0].id < out[1].id && out[1].id < out[2].id && out[2].id < out[3].id);
}

static void one_refused_event_refuses_the_batch_and_a_savepoint_saves_the_rest(void **state)
{
    stage *s = *state;
    pbus_event events[3] = {stage_event("orders", "1", "a"), stage_event("no topic", "2", "b"),
                            stage_event("orders", "3", "c")};
    pbus_published out[3], before[3];
    memset(out, 0x5A, sizeof out);
    memcpy(before, out, sizeof out);
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, &events[0], NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "SAVEPOINT before_batch");
    stage_expect_refusal(s, pbus_publish_batch(s->app, events, 3, NULL, out, &s->err), PBUS_ERROR_TOPIC,
                         "\"no topic\"");
    assert_string_equal(s->err.sqlstate, "PB001");
    assert_memory_equal(out, before, sizeof out);
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_INERROR);
    pg_run(s->app, "ROLLBACK TO SAVEPOINT before_batch");
    events[1].topic = "orders";
    stage_expect(s, pbus_publish_batch(s->app, events, 3, NULL, out, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), 4);
}

static void a_batch_refused_by_the_library_leaves_the_transaction_open(void **state)
{
    stage *s = *state;
    const pbus_header header = {"bad", "\xff"};
    pbus_event events[2] = {stage_event("orders", "1", "a"),
                            {.topic = "orders", .headers = &header, .n_headers = 1}};
    pg_run(s->app, "BEGIN");
    stage_expect_refusal(s, pbus_publish_batch(s->app, events, 2, NULL, NULL, &s->err), PBUS_ERROR_HEADERS,
                         "event 1 of 2: ");
    assert_string_equal(s->err.sqlstate, "");
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_INTRANS);
    stage_expect(s, pbus_publish(s->app, &events[0], NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), 1);
}

static void more_than_a_gigabyte_is_refused_and_nothing_is_sent(void **state)
{
    stage *s = *state;
    enum { N = 1001, SIZE = 1000000 };
    char *value = calloc(1, SIZE);
    pbus_event *events = calloc(N, sizeof *events);
    for (int i = 0; i < N; i++)
        events[i] = (pbus_event){.topic = "orders", .value = value, .value_size = SIZE};
    pg_run(s->app, "BEGIN");
    stage_expect_refusal(s, pbus_publish_batch(s->app, events, N, NULL, NULL, &s->err), PBUS_ERROR_TOO_LARGE,
                         "smaller batches");
    stage_expect(s, pbus_publish_batch(s->app, events, 3, NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), 3);
    free(events);
    free(value);
}

static void an_empty_batch_publishes_nothing(void **state)
{
    stage *s = *state;
    stage_expect(s, pbus_publish_batch(s->app, NULL, 0, NULL, NULL, &s->err), PBUS_OK);
    assert_int_equal(stage_count(s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(fifty_thousand_events_arrive_in_order_with_their_ids),
        STAGE_TEST(a_nonblocking_connection_takes_a_batch_larger_than_its_buffers),
        STAGE_TEST(parts_may_differ_from_event_to_event),
        STAGE_TEST(one_refused_event_refuses_the_batch_and_a_savepoint_saves_the_rest),
        STAGE_TEST(a_batch_refused_by_the_library_leaves_the_transaction_open),
        STAGE_TEST(more_than_a_gigabyte_is_refused_and_nothing_is_sent),
        STAGE_TEST(an_empty_batch_publishes_nothing),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
