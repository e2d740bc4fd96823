/* What the database refuses: each with its status and what it says; a savepoint saves the transaction. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

static void each_bad_event_is_refused_and_a_savepoint_recovers(void **state)
{
    stage *s = *state;
    char *large = malloc(1000001);
    memset(large, 'x', 1000000);
    large[1000000] = '\0';
    char type[1026], topic[251];
    memset(type, 't', sizeof type);
    type[sizeof type - 1] = '\0';
    memset(topic, 't', sizeof topic);
    topic[sizeof topic - 1] = '\0';
    const pbus_header headers = {"big", large + 1000000 - 40000};
    const struct {
        const char *name;
        pbus_event event;
        pbus_status status;
        const char *sqlstate, *says;
    } cases[] = {
        {"blank in the topic", {.topic = "a b"}, PBUS_ERROR_TOPIC, "PB001", "\"a b\""},
        {"topic .", {.topic = "."}, PBUS_ERROR_TOPIC, "PB001", "\".\""},
        {"topic ..", {.topic = ".."}, PBUS_ERROR_TOPIC, "PB001", "\"..\""},
        {"topic of 250", {.topic = topic}, PBUS_ERROR_TOPIC, "PB001", "250 bytes"},
        {"topic with a line break", {.topic = "a\n"}, PBUS_ERROR_TOPIC, "PB001", "topic"},
        {"value",
         {.topic = "t", .value = large, .value_size = 1000001},
         PBUS_ERROR_VALUE,
         "PB002",
         "1000001 bytes"},
        {"key", {.topic = "t", .key = large, .key_size = 4097}, PBUS_ERROR_KEY, "PB004", "4097 bytes"},
        {"type", {.topic = "t", .type = type}, PBUS_ERROR_TYPE, "PB005", "1025 bytes"},
        {"headers",
         {.topic = "t", .headers = &headers, .n_headers = 1},
         PBUS_ERROR_HEADERS,
         "PB003",
         "limit of 32768"},
    };
    pbus_event good = stage_event("orders", "1", "v");
    pg_run(s->app, "BEGIN");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbus_published out = {.id = -7};
        pg_run(s->app, "SAVEPOINT sp");
        pbus_status status = pbus_publish(s->app, &cases[i].event, NULL, &out, &s->err);
        if (status != cases[i].status || strcmp(s->err.sqlstate, cases[i].sqlstate) != 0 ||
            !strstr(s->err.message, cases[i].says) || s->err.retriable || out.id != -7)
            fail_msg("%s: %s %s \"%s\"", cases[i].name, pbus_status_name(status), s->err.sqlstate,
                     s->err.message);
        stage_expect(s, pbus_publish(s->app, &good, NULL, NULL, &s->err), PBUS_ERROR_FAILED_TRANSACTION);
        pg_run(s->app, "ROLLBACK TO SAVEPOINT sp");
        stage_expect(s, pbus_publish(s->app, &good, NULL, NULL, &s->err), PBUS_OK);
    }
    pg_run(s->app, "COMMIT");
    assert_int_equal(stage_count(s), sizeof cases / sizeof *cases);
    free(large);
}

static void a_refused_transaction_that_commits_publishes_nothing(void **state)
{
    stage *s = *state;
    pbus_event good = stage_event("orders", "1", "v"), bad = stage_event("a b", "1", "v");
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, &good, NULL, NULL, &s->err), PBUS_OK);
    stage_expect(s, pbus_publish(s->app, &bad, NULL, NULL, NULL), PBUS_ERROR_TOPIC);
    pg_run(s->app, "COMMIT"); /* which PostgreSQL turns into a rollback */
    assert_int_equal(stage_count(s), 0);
}

static void a_read_only_transaction_cannot_publish(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pg_run(s->app, "BEGIN READ ONLY");
    stage_expect_refusal(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_READ_ONLY,
                         "read-write");
    assert_string_equal(s->err.sqlstate, "25006");
    pg_run(s->app, "ROLLBACK");
}

static void a_role_without_the_right_is_told_which_it_needs(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pg_run(s->operator_conn, "REVOKE postbus_publisher FROM shop_app");
    pg_run(s->app, "BEGIN");
    stage_expect_refusal(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_PERMISSION,
                         "GRANT postbus_publisher");
    pg_run(s->app, "ROLLBACK");
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish_batch(s->app, (pbus_event[]){event, event}, 2, NULL, NULL, &s->err),
                 PBUS_ERROR_PERMISSION);
}

static void a_database_without_the_schema_is_told_the_remedy(void **state)
{
    stage *s = *state;
    pbus_event events[2] = {stage_event("orders", "1", "v"), stage_event("orders", "1", "v")};
    pg_fixture_create_database(stage_server, "bare");
    PGconn *conn = pg_fixture_connect(stage_server, "bare", "shop_app");
    pg_run(conn, "BEGIN");
    stage_expect_refusal(s, pbus_publish(conn, events, NULL, NULL, &s->err), PBUS_ERROR_SCHEMA,
                         "postbus migrate");
    pg_run(conn, "ROLLBACK; BEGIN");
    stage_expect_refusal(s, pbus_publish_batch(conn, events, 2, NULL, NULL, &s->err), PBUS_ERROR_SCHEMA,
                         "postbus migrate");
    PQfinish(conn);
}

static void a_conflict_is_worth_another_try(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    /* A trigger of the operator's makes the conflict that a real one would need luck for. */
    pg_run(s->operator_conn,
           "CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS"
           " $$ BEGIN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$;"
           "CREATE TRIGGER conflict AFTER INSERT ON postbus.outbox FOR EACH STATEMENT EXECUTE FUNCTION "
           "conflict()");
    pg_run(s->app, "BEGIN");
    stage_expect_refusal(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_DATABASE,
                         "serialize");
    assert_true(s->err.retriable);
    assert_string_equal(s->err.sqlstate, "40001");
}

static void a_statement_timeout_ends_a_publish_that_waits(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "1", "v");
    pg_run(s->operator_conn, "BEGIN; LOCK TABLE postbus.outbox IN ACCESS EXCLUSIVE MODE");
    pg_run(s->app, "SET statement_timeout = '50ms'; BEGIN");
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_DATABASE);
    assert_string_equal(s->err.sqlstate, "57014");
    assert_true(s->err.retriable);
    pg_run(s->operator_conn, "ROLLBACK");
}

static void a_message_never_quotes_the_payload(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("a b", "secret key", "secret value");
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_TOPIC);
    assert_null(strstr(s->err.message, "secret"));
    pg_run(s->app, "ROLLBACK; BEGIN");
    stage_expect(s, pbus_publish_batch(s->app, (pbus_event[]){event, event}, 2, NULL, NULL, &s->err),
                 PBUS_ERROR_TOPIC);
    assert_null(strstr(s->err.message, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(each_bad_event_is_refused_and_a_savepoint_recovers),
        STAGE_TEST(a_refused_transaction_that_commits_publishes_nothing),
        STAGE_TEST(a_read_only_transaction_cannot_publish),
        STAGE_TEST(a_role_without_the_right_is_told_which_it_needs),
        STAGE_TEST(a_database_without_the_schema_is_told_the_remedy),
        STAGE_TEST(a_conflict_is_worth_another_try),
        STAGE_TEST(a_statement_timeout_ends_a_publish_that_waits),
        STAGE_TEST(a_message_never_quotes_the_payload),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
