/* Dead letters that go to a topic as well: through the outbox, in the transaction that makes them, or not at all. */
#include "stage.h"

#include <stdio.h>
#include <string.h>

#include "avro_subject.h"

static int outlet_setup(void **state)
{
    stage_setup(state);
    stage *s = *state;
    stage_create_outbox(s);
    pg_run(s->conn, "GRANT postbus_publisher TO billing_app");
    return 0;
}

static int outlet_teardown(void **state)
{
    stage *s = *state;
    pg_run(s->conn, "REVOKE postbus_publisher FROM billing_app"); /* roles belong to the whole cluster */
    return stage_teardown(state);
}

static pbus_subscription mourned(stage *s, pbus_handler *handler)
{
    pbus_subscription sub = stage_subscription(s, handler);
    sub.dead_letter_topic = "graves";
    sub.retry.max_attempts = 3;
    return sub;
}

/* Gives "…reject" up at once and "…poison" in the end. */
static pbus_outcome failing(const pbus_delivery *event, PGconn *tx, void *arg)
{
    pbus_outcome outcome = stage_insert(event, tx, arg);
    if (event->value && strstr(event->value, "poison"))
        return pbus_retry("never", 0);
    if (event->value && strstr(event->value, "reject"))
        return pbus_dead("no such account");
    return outcome;
}

static const char *const letters =
    "SELECT string_agg(concat_ws('|', topic, convert_from(key, 'UTF8'), convert_from(value, 'UTF8'), type), "
    "', ' ORDER BY key) FROM postbus.outbox";

static void a_dead_letter_is_published_with_where_it_came_from_and_why(void **state)
{
    stage *s = *state;
    pbus_subscription sub = mourned(s, failing);
    const char *id = "0190f3e4-7c1a-8def-8000-00000000002b";
    stage_produce(s->topic, "a", "poison", "order.created", id);
    stage_produce(s->topic, "b", "reject", "order.paid", NULL);
    stage_produce(s->topic, "c", "well", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 2, "SELECT count(*) FROM postbus.outbox");
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_stop(s);
    pg_expect(s->conn, "graves|a|poison|order.created, graves|b|reject|order.paid", "%s", letters);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 2);
    /* Of each what the table says, and nothing else. */
    pg_expect(
        s->conn, "2",
        "SELECT count(*) FROM postbus.outbox b JOIN postbus_inbox.dead d ON d.n = "
        "(b.headers->>'dead-number')::bigint"
        " WHERE b.event_id IS NULL AND b.headers = jsonb_strip_nulls(jsonb_build_object('original-topic', "
        "'%s', 'original-partition', d.partition::text,"
        " 'original-offset', d.kafka_offset::text, 'original-id', d.event_id::text, 'original-timestamp-ms', "
        "d.record_ms::text,"
        " 'dead-application', '%s', 'dead-subscription', 'main', 'dead-number', d.n::text, 'dead-reason', "
        "d.reason,"
        " 'dead-attempts', d.attempts::text, 'dead-error', d.last_error, 'dead-first-at', "
        "b.headers->>'dead-first-at',"
        " 'dead-at', b.headers->>'dead-at'))"
        " AND abs(extract(epoch FROM (b.headers->>'dead-at')::timestamptz - d.died_at)) < 0.002"
        " AND abs(extract(epoch FROM (b.headers->>'dead-first-at')::timestamptz - d.first_at)) < 0.002",
        s->topic, s->topic);
    pg_expect(s->conn, "exhausted/3/never rejected/1/no such account",
              "SELECT string_agg(concat_ws('/', headers->>'dead-reason', headers->>'dead-attempts', "
              "headers->>'dead-error'), ' ' ORDER BY key) FROM postbus.outbox");
    pg_expect(s->conn, id, "SELECT headers->>'original-id' FROM postbus.outbox WHERE key = 'a'");
}

static void dead_letters_of_batches_are_published_too(void **state)
{
    stage *s = *state;
    pbus_subscription sub = mourned(s, failing);
    const pbus_condition filter[] = {{"value:n", PBUS_TEST_PRESENT, NULL}};
    sub.filter = filter;
    sub.n_conditions = 1;
    sub.batch_size = 100;
    for (int i = 0; i < 200; i++)
        stage_produce_one(s->topic, "k", i == 150 ? "no JSON" : "{\"n\": 1}", NULL, NULL);
    stage_produce_flush();
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 199, "SELECT count(*) FROM effect");
    stage_expect_soon(s, 200, "SELECT sum(next_offset)::bigint FROM postbus_inbox.position");
    pg_expect(s->conn, "graves|k|no JSON", "%s", letters);
    pg_expect(
        s->conn, "unreadable/0",
        "SELECT concat_ws('/', headers->>'dead-reason', headers->>'dead-attempts') FROM postbus.outbox");
}

static void what_the_outbox_does_not_take_is_dead_in_the_table_and_told(void **state)
{
    stage *s = *state;
    pbus_subscription sub = mourned(s, failing);
    pg_run(s->conn, "UPDATE postbus.setting SET value = 8192 WHERE name = 'max_value_bytes'");
    char large[9000];
    memset(large, 'x', sizeof large);
    memcpy(large, "reject", 6);
    large[sizeof large - 1] = '\0';
    stage_produce(s->topic, "k", large, NULL, NULL);
    stage_produce(s->topic, "k", "well", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 1, "SELECT count(*) FROM effect");
    stage_expect_notice(s, PBUS_NOTICE_UNPUBLISHED);
    assert_non_null(strstr(s->last_message[PBUS_NOTICE_UNPUBLISHED],
                           "cannot be published to graves: postbus: the value has 8999 bytes"));
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.dead"), 1);
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus.outbox"), 0);
}

/* The dead letter is of a topic that has no schema, and the topic of dead letters has one. */
static void what_does_not_fit_the_schema_of_the_topic_is_dead_in_the_table_and_told(void **state)
{
    stage *s = *state;
    pbus_subscription sub = mourned(s, failing);
    avro_add(s->conn, "graves-value",
             "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"reject\",\"type\":\"int\"}]}");
    pg_run(s->conn, "SELECT postbus.bind('graves', 'graves-value')");
    stage_produce(s->topic, "a", "{\"reject\": \"x\"}", NULL, NULL);
    stage_produce(s->topic, "b", "{\"reject\": 7}", NULL, NULL);
    stage_produce(s->topic, "c", "reject", NULL, NULL);
    stage_start(s, &sub, 1);
    stage_expect_soon(s, 3, "SELECT count(*) FROM postbus_inbox.dead");
    stage_stop(s);
    assert_int_equal(stage_notices(s, PBUS_NOTICE_UNPUBLISHED), 2);
    assert_non_null(strstr(s->last_message[PBUS_NOTICE_UNPUBLISHED],
                           "cannot be published to graves: postbus: the "
                           "value does not fit the schema"));
    pg_expect(s->conn, "graves|b|{\"reject\": 7}", "%s", letters);
}

/* As another producer may write them; the handler of the test is not asked. */
static void headers_that_are_no_text_are_left_out(void **state)
{
    stage *s = *state;
    pg_run(s->conn,
           "SELECT postbus_inbox.subscribe('a', '[{\"key\": \"k\", \"topics\": [\"t\"], \"options\": {}}]')");
    pg_run(s->conn, "INSERT INTO postbus_inbox.dead (n, subscription, source, partition, kafka_offset, "
                    "identity, header_names, header_values, record_ms, attempts,"
                    " first_at, history, reason) SELECT 1, subscription, id, 0, 7, gen_random_uuid(), "
                    "ARRAY['a', 'b', '\\xff', 'a', 'null', 'id', '', 'zero', 'dead-reason']::bytea[],"
                    " ARRAY['first', '\\xfffe', 'x', 'last', NULL, 'old', 'x', '\\x00', 'mine']::bytea[], 5, "
                    "0, now(), '[]', 'unreadable' FROM postbus_inbox.source");
    pg_expect(s->conn, "none", "SELECT coalesce(postbus_inbox.publish_dead(1, 'graves'), 'none')");
    pg_expect(s->conn, "last unreadable 7",
              "SELECT concat_ws(' ', headers->>'a', headers->>'b', headers->>'zero', headers->>'id', "
              "headers->>'null', headers->>'', headers->>'dead-reason', headers->>'original-offset') FROM "
              "postbus.outbox");
    pg_expect(s->conn, "1", "SELECT (value IS NULL AND key IS NULL)::int FROM postbus.outbox");
}

static void it_is_refused_where_there_is_no_outbox_or_no_right_to_it(void **state)
{
    stage *s = *state;
    pbus_subscription sub = mourned(s, stage_insert);
    pbus_worker_options options = stage_options(s, &sub, 1);
    pg_run(s->conn, "REVOKE postbus_publisher FROM billing_app");
    assert_int_equal(pbus_worker_start(&options, &s->worker, &s->err), PBUS_ERROR_PERMISSION);
    assert_non_null(strstr(
        s->err.message,
        "subscription \"main\" has the dead_letter_topic graves: the role billing_app may not publish"));
    pg_run(s->conn, "DROP SCHEMA postbus CASCADE");
    assert_int_equal(pbus_worker_start(&options, &s->worker, &s->err), PBUS_ERROR_SCHEMA);
    assert_non_null(strstr(s->err.message, "postbus migrate"));
    assert_int_equal(pg_number(s->conn, "SELECT count(*) FROM postbus_inbox.subscription"), 0);
    sub.dead_letter_topic = NULL;
    stage_start(s, &sub, 1);
}

#define OUTLET_TEST(f) cmocka_unit_test_setup_teardown(f, outlet_setup, outlet_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTLET_TEST(a_dead_letter_is_published_with_where_it_came_from_and_why),
        OUTLET_TEST(dead_letters_of_batches_are_published_too),
        OUTLET_TEST(what_the_outbox_does_not_take_is_dead_in_the_table_and_told),
        OUTLET_TEST(what_does_not_fit_the_schema_of_the_topic_is_dead_in_the_table_and_told),
        OUTLET_TEST(headers_that_are_no_text_are_left_out),
        OUTLET_TEST(it_is_refused_where_there_is_no_outbox_or_no_right_to_it),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
