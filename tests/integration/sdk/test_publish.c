/* Single events: what arrives in the outbox, and which ids the caller is told. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

static void publish(stage *s, const pbus_event *event, pbus_published *out)
{
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, event, NULL, out, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
}

static void expect_text(stage *s, const char *expected, const char *column)
{
    char *text = pg_text(s->operator_conn, "SELECT %s FROM postbus.outbox", column);
    if (!text != !expected || (text && strcmp(text, expected) != 0))
        fail_msg("%s is %s", column, text ? text : "NULL");
    free(text);
}

static void every_part_of_an_event_arrives_as_given(void **state)
{
    stage *s = *state;
    const pbus_header headers[] = {{"tenant", "7"}, {"trace", "00-\"quoted\"\n\\x"}};
    pbus_uuid id;
    assert_int_equal(pbus_uuid_parse("0190f3e4-7c1a-4def-8000-00000000002a", &id, NULL), PBUS_OK);
    pbus_event event = {.topic = "shop.orders-1_a",
                        .key = "k\0\xff",
                        .key_size = 3,
                        .value = "\x00\x01\xfe\xff",
                        .value_size = 4,
                        .type = "order.created",
                        .headers = headers,
                        .n_headers = 2,
                        .event_id = &id};
    pbus_published out;
    publish(s, &event, &out);
    expect_text(s, "shop.orders-1_a", "topic");
    expect_text(s, "\\x6b00ff", "key");
    expect_text(s, "\\x0001feff", "value");
    expect_text(s, "order.created", "type");
    expect_text(s, "7", "headers->>'tenant'");
    expect_text(s, "00-\"quoted\"\n\\x", "headers->>'trace'");
    expect_text(s, "0190f3e4-7c1a-4def-8000-00000000002a", "event_id");
    assert_memory_equal(&out.event_id, &id, sizeof id);
    assert_int_equal(out.id, pg_number(s->operator_conn, "SELECT id FROM postbus.outbox"));
}

static void an_event_without_an_id_is_told_the_derived_one(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "42", "v");
    pbus_published out;
    char text[PBUS_UUID_TEXT_SIZE];
    publish(s, &event, &out);
    pbus_uuid_format(&out.event_id, text);
    char *expected = pg_text(s->operator_conn, "SELECT postbus.event_id(%lld)", (long long)out.id);
    assert_string_equal(text, expected);
    free(expected);
    expect_text(s, NULL, "event_id");
    expect_text(s, NULL, "headers");
    expect_text(s, NULL, "type");
}

static void who_wants_no_ids_publishes_the_same_event(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "42", "v");
    const pbus_uuid id = {{0xde, 0xad}};
    publish(s, &event, NULL);
    event.event_id = &id;
    publish(s, &event, NULL);
    assert_int_equal(pg_number(s->operator_conn,
                               "SELECT count(*) FROM postbus.outbox WHERE topic = 'orders'"
                               " AND key = '42' AND value = 'v' AND type IS NULL AND headers IS NULL"),
                     2);
    assert_int_equal(
        pg_number(s->operator_conn, "SELECT count(*) FROM postbus.outbox WHERE event_id IS NULL"), 1);
    assert_int_equal(
        pg_number(s->operator_conn, "SELECT count(*) FROM postbus.outbox WHERE event_id::text LIKE 'dead%%'"),
        1);
}

static void a_tombstone_is_told_from_an_empty_value(void **state)
{
    stage *s = *state;
    pbus_event tombstone = {.topic = "orders", .key = "k", .key_size = 1};
    pbus_event empty = {.topic = "orders", .key = "", .value = ""};
    pbus_published out;
    publish(s, &tombstone, &out);
    expect_text(s, NULL, "value");
    publish(s, &empty, &out);
    assert_int_equal(pg_number(s->operator_conn,
                               "SELECT octet_length(value) FROM postbus.outbox WHERE id = %lld",
                               (long long)out.id),
                     0);
    assert_int_equal(pg_number(s->operator_conn,
                               "SELECT octet_length(key) FROM postbus.outbox WHERE id = %lld",
                               (long long)out.id),
                     0);
}

static void headers_arrive_whatever_the_client_encoding_is(void **state)
{
    stage *s = *state;
    static const char *const encodings[] = {"UTF8", "LATIN1", "SQL_ASCII", "EUC_JP"};
    const pbus_header header = {"na\xc3\xafve", "\xe2\x82\xac \xf0\x9f\x98\x80 \x01\x7f"};
    pbus_event event = {.topic = "orders", .headers = &header, .n_headers = 1};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        pbus_published out;
        assert_int_equal(PQsetClientEncoding(s->app, encodings[i]), 0);
        publish(s, &event, &out);
        assert_int_equal(
            pg_number(s->operator_conn,
                      "SELECT count(*) FROM postbus.outbox WHERE id = %lld"
                      " AND headers = jsonb_build_object(U&'na\\00EFve', U&'\\20AC \\+01F600 \\0001\\007F')",
                      (long long)out.id),
            1);
    }
}

static void a_type_beyond_ascii_is_published_in_utf8_and_refused_otherwise(void **state)
{
    stage *s = *state;
    pbus_event event = {.topic = "orders", .type = "caf\xc3\xa9"};
    pbus_published out;
    publish(s, &event, &out);
    expect_text(s, "caf\xc3\xa9", "type");
    assert_int_equal(PQsetClientEncoding(s->app, "LATIN1"), 0);
    pg_run(s->app, "BEGIN");
    stage_expect_refusal(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_ERROR_TYPE,
                         "client_encoding");
    event.type = "plain";
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "COMMIT");
}

static void a_rolled_back_event_does_not_exist(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "42", "v");
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, &event, NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "ROLLBACK");
    assert_int_equal(stage_count(s), 0);
}

static void a_hostile_search_path_leads_nowhere(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "42", "v");
    pbus_published out;
    pg_run(
        s->operator_conn,
        "CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO shop_app;"
        "CREATE FUNCTION trap.event_id(bigint) RETURNS uuid LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END "
        "$$;"
        "CREATE FUNCTION trap.publish(text, bytea, bytea, text, jsonb, uuid) RETURNS bigint LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'caught'; END $$");
    pg_run(s->app, "SET search_path = trap, pg_catalog");
    publish(s, &event, &out);
    assert_int_equal(stage_count(s), 1);
}

static void events_are_published_in_a_transaction_that_is_prepared(void **state)
{
    stage *s = *state;
    pbus_event events[2] = {stage_event("orders", "1", "a"), stage_event("orders", "2", "b")};
    /* A relay that sleeps, so that a publisher would ring. */
    pg_run(s->operator_conn, "SELECT pg_advisory_lock(8101821198368076544)");
    pg_run(s->app, "SET postbus.ring = off");
    pg_run(s->app, "BEGIN");
    stage_expect(s, pbus_publish(s->app, events, NULL, NULL, &s->err), PBUS_OK);
    stage_expect(s, pbus_publish_batch(s->app, events, 2, NULL, NULL, &s->err), PBUS_OK);
    pg_run(s->app, "PREPARE TRANSACTION 'sdk'");
    assert_int_equal(stage_count(s), 0);
    pg_run(s->app, "COMMIT PREPARED 'sdk'");
    assert_int_equal(stage_count(s), 3);
}

static void a_publish_leaves_nothing_behind_on_the_connection(void **state)
{
    stage *s = *state;
    pbus_event event = stage_event("orders", "42", "v");
    pbus_published out;
    publish(s, &event, &out);
    assert_int_equal(pg_number(s->app, "SELECT count(*) FROM pg_prepared_statements"), 0);
    assert_int_equal(PQtransactionStatus(s->app), PQTRANS_IDLE);
    assert_false(PQisnonblocking(s->app));
    assert_null(PQgetResult(s->app));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(every_part_of_an_event_arrives_as_given),
        STAGE_TEST(an_event_without_an_id_is_told_the_derived_one),
        STAGE_TEST(who_wants_no_ids_publishes_the_same_event),
        STAGE_TEST(a_tombstone_is_told_from_an_empty_value),
        STAGE_TEST(headers_arrive_whatever_the_client_encoding_is),
        STAGE_TEST(a_type_beyond_ascii_is_published_in_utf8_and_refused_otherwise),
        STAGE_TEST(a_rolled_back_event_does_not_exist),
        STAGE_TEST(a_hostile_search_path_leads_nowhere),
        STAGE_TEST(events_are_published_in_a_transaction_that_is_prepared),
        STAGE_TEST(a_publish_leaves_nothing_behind_on_the_connection),
    };
    return cmocka_run_group_tests(tests, stage_group_setup, stage_group_teardown);
}
