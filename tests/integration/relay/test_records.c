/* A record is what was published: key, value, time, headers, and what postbus.event says of it afterwards. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const topic_record *record_of(const topic_records *all, const char *key)
{
    for (size_t i = 0; i < all->n_rows; i++)
        if (all->rows[i].key && strcmp(all->rows[i].key, key) == 0)
            return &all->rows[i];
    fail_msg("no record has the key %s", key);
    return NULL;
}

static topic_records read_all(const outbox *o, size_t n)
{
    expect_drained(o);
    return topic_read(kafka_fixture_brokers(stage_kafka), o->topic, n, SOON_MS);
}

/* Promise E1. */
static void headers_are_the_callers_then_the_id_and_the_type(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    int64_t id = pg_number(
        o->conn, "SELECT postbus.publish('%s', 'v', 'full', 'order.created', '{\"a\": \"1\", \"b\": \"\"}')",
        o->topic);
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'bare')", o->topic);
    pg_run(o->conn,
           "SELECT postbus.publish('%s', 'v', 'own', NULL, NULL, '01234567-89ab-cdef-0123-456789abcdef')",
           o->topic);
    int64_t taken_id = pg_number(
        o->conn, "SELECT postbus.publish('%s', 'v', 'taken', 'mine', '{\"id\": \"x\", \"type\": \"y\"}')",
        o->topic);
    topic_records all = read_all(o, 4);
    assert_int_equal(all.n_rows, 4);
    const topic_record *full = record_of(&all, "full");
    char *derived = pg_text(o->conn, "SELECT postbus.event_id(%lld)", (long long)id);
    assert_int_equal(full->n_headers, 4);
    assert_string_equal(topic_record_header(full, "a"), "1");
    assert_string_equal(topic_record_header(full, "b"), "");
    assert_string_equal(topic_record_header(full, "id"), derived);
    assert_string_equal(topic_record_header(full, "type"), "order.created");
    assert_int_equal(record_of(&all, "bare")->n_headers, 1);
    assert_string_equal(topic_record_header(record_of(&all, "own"), "id"),
                        "01234567-89ab-cdef-0123-456789abcdef");
    const topic_record *taken = record_of(&all, "taken");
    char *own_id = pg_text(o->conn, "SELECT postbus.event_id(%lld)", (long long)taken_id);
    assert_int_equal(taken->n_headers, 4);
    assert_string_equal(taken->headers[0].value, "x");
    assert_string_equal(topic_record_header(taken, "id"), own_id);
    assert_string_equal(topic_record_header(taken, "type"), "mine");
    free(own_id);
    free(derived);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

/* Promise E6. */
static void header_names_are_what_the_configuration_says(void **state)
{
    (void)state;
    static const char *const flags[] = {"--id-header", "ce_id", "--type-header", "", "--relayed-at-header",
                                        "sent-at",     NULL};
    static const char *const none[] = {"--id-header", "", "--type-header", "", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'named', 'order.created')", o->topic);
    expect_drained(o);
    relay_stop(relay);
    relay = relay_start_leading(o, none);
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'none', 'order.created')", o->topic);
    topic_records all = read_all(o, 2);
    const topic_record *named = record_of(&all, "named");
    assert_int_equal(named->n_headers, 2);
    assert_non_null(topic_record_header(named, "ce_id"));
    const char *sent_at = topic_record_header(named, "sent-at");
    assert_true(strtoll(sent_at, NULL, 10) >= named->timestamp_ms);
    assert_true(strtoll(sent_at, NULL, 10) <= ((long long)time(NULL) + 1) * 1000);
    assert_int_equal(record_of(&all, "none")->n_headers, 0);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

static void null_and_empty_keys_and_values_stay_what_they_are(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    pg_run(o->conn, "SELECT postbus.publish('%s', NULL::text, 'tombstone')", o->topic);
    pg_run(o->conn, "SELECT postbus.publish('%s', '', 'empty value')", o->topic);
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', '')", o->topic);
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v')", o->topic);
    pg_run(o->conn, "SELECT postbus.publish('%s', '\\x00ff00'::bytea, '\\x6b0001'::bytea)", o->topic);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    topic_records all = read_all(o, 5);
    assert_null(record_of(&all, "tombstone")->value);
    assert_non_null(record_of(&all, "empty value")->value);
    assert_int_equal(record_of(&all, "empty value")->value_size, 0);
    assert_int_equal(record_of(&all, "")->key_size, 0);
    assert_null(all.rows[3].key);
    assert_memory_equal(all.rows[4].value, "\0\377\0", 3);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

/* Promise E1. */
static void a_records_time_is_that_of_its_event(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn, "SELECT postbus.publish('%s', 'v', 'k')", o->topic);
    int64_t at_ms =
        pg_number(o->conn, "SELECT floor(extract(epoch FROM created_at) * 1000)::bigint FROM postbus.outbox");
    proc_fixture *relay = relay_start_leading(o, NULL);
    topic_records all = read_all(o, 1);
    assert_int_equal(all.rows[0].timestamp_ms, at_ms);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

/* The retention of an hour would delete a record of yesterday on arrival. */
static void an_old_event_gets_a_new_time_where_retention_would_delete_it(void **state)
{
    (void)state;
    static const char *const an_hour[] = {"retention.ms=3600000", NULL};
    outbox *o = outbox_new();
    kafka_fixture_configure_topic(stage_kafka, o->topic, an_hour);
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value, created_at) VALUES ('%s', 'old', 'v', now() - "
           "interval '1 day'), "
           "('%s', 'new', 'v', now() - interval '1 minute')",
           o->topic, o->topic);
    int64_t now_ms = pg_number(o->conn, "SELECT floor(extract(epoch FROM now()) * 1000)::bigint");
    proc_fixture *relay = relay_start_leading(o, NULL);
    topic_records all = read_all(o, 2);
    assert_true(record_of(&all, "old")->timestamp_ms > now_ms - 30000);
    assert_true(record_of(&all, "new")->timestamp_ms < now_ms - 50000);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

static void three_hundred_megabytes_of_values_is_published_in_bounded_memory(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', convert_to('k' || i %% 7, 'UTF8'), "
           "convert_to(repeat(chr(65 + i %% 26), 500000), 'UTF8') FROM generate_series(1, 600) i",
           o->topic);
    proc_fixture *relay = relay_start_leading(o, NULL);
    expect_published(o, 600);
    expect_peak_below(relay, "600 values of 500 kB", 128);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

/* Headers and keys weigh as much as values do. */
static void large_headers_are_published_in_bounded_memory(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value, headers) SELECT '%s', 'k', 'v', "
           "jsonb_build_object('h', repeat(chr(65 + i %% 26), 30000)) FROM generate_series(1, 2000) i",
           o->topic);
    proc_fixture *relay = relay_start_leading(o, NULL);
    expect_published(o, 2000);
    expect_peak_below(relay, "2000 headers of 30 kB", 128);
    relay_stop(relay);
    outbox_free(o);
}

static void values_of_every_size_arrive_whole(void **state)
{
    (void)state;
    static const char *const flags[] = {"--page-bytes", "65536", NULL};
    outbox *o = outbox_new();
    pg_run(o->conn,
           "INSERT INTO postbus.outbox (topic, key, value) SELECT '%s', 'k', convert_to(repeat('x', n), "
           "'UTF8') FROM "
           "unnest(ARRAY[0, 1, 2047, 2048, 8191, 8192, 8193, 65535, 65536, 65537, 100000, 999000]) n",
           o->topic);
    proc_fixture *relay = relay_start_leading(o, flags);
    finish(o, relay);
}

static void receipts_say_where_each_event_went(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 5; i++)
        publish(o->conn, o->topic, "k", 40);
    topic_records all = read_all(o, 200);
    PGresult *events = pg_rows(
        o->conn, "SELECT event_id, partition, broker_offset, state, (completed_at >= created_at)::text "
                 "FROM postbus.event ORDER BY id");
    assert_int_equal(PQntuples(events), 200);
    for (int i = 0; i < 200; i++) {
        assert_string_equal(PQgetvalue(events, i, 0), topic_record_header(&all.rows[i], "id"));
        assert_int_equal(atoi(PQgetvalue(events, i, 1)), all.rows[i].partition);
        assert_int_equal(atoll(PQgetvalue(events, i, 2)), all.rows[i].offset);
        assert_string_equal(PQgetvalue(events, i, 3), "published");
        assert_string_equal(PQgetvalue(events, i, 4), "true");
    }
    PQclear(events);
    topic_records_done(&all);
    relay_stop(relay);
    outbox_free(o);
}

static void without_receipts_none_is_written(void **state)
{
    (void)state;
    static const char *const flags[] = {"--receipts=false", NULL};
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, flags);
    publish(o->conn, o->topic, "k", 40);
    expect_drained(o);
    assert_int_equal(pg_number(o->conn, "SELECT count(*) FROM postbus.receipt"), 0);
    assert_int_equal(
        pg_number(o->conn,
                  "SELECT count(*) FROM postbus.event WHERE state = 'published' AND completed_at IS NULL"),
        40);
    relay_stop(relay);
    outbox_free(o);
}

static void publishing_leaves_no_dead_tuples(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_start_leading(o, NULL);
    for (int i = 0; i < 30; i++)
        publish(o->conn, o->topic, "k", 20);
    expect_drained(o);
    relay_stop(relay);
    assert_true(pg_number(o->conn, "SELECT count(*) FROM postbus.progress") > 1);
    pg_run(o->conn, "CREATE EXTENSION pgstattuple");
    assert_int_equal(
        pg_number(o->conn,
                  "SELECT sum(dead_tuple_count)::int FROM pg_class c, pgstattuple(c.oid) WHERE relkind = 'r' "
                  "AND (relname ~ '^(outbox|progress|receipt)_[0-9]+$' OR relname = 'parked') "
                  "AND relnamespace = 'postbus'::regnamespace"),
        0);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_the_callers_then_the_id_and_the_type),
        cmocka_unit_test(header_names_are_what_the_configuration_says),
        cmocka_unit_test(null_and_empty_keys_and_values_stay_what_they_are),
        cmocka_unit_test(a_records_time_is_that_of_its_event),
        cmocka_unit_test(an_old_event_gets_a_new_time_where_retention_would_delete_it),
        cmocka_unit_test(three_hundred_megabytes_of_values_is_published_in_bounded_memory),
        cmocka_unit_test(large_headers_are_published_in_bounded_memory),
        cmocka_unit_test(values_of_every_size_arrive_whole),
        cmocka_unit_test(receipts_say_where_each_event_went),
        cmocka_unit_test(without_receipts_none_is_written),
        cmocka_unit_test(publishing_leaves_no_dead_tuples),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
