/* What is refused at publish time: by which error, with which words, and that the transaction can go on. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bad_event {
    const char *what;
    const char *topic, *value, *key, *type, *headers; /* SQL expressions */
    const char *sqlstate;
    const char *named; /* the message names this */
} bad_event;

static const bad_event bad_events[] = {
    {"empty topic", "''", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "empty"},
    {"no topic", "NULL", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "NULL"},
    {"a dot", "'.'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\".\""},
    {"two dots", "'..'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\"..\""},
    {"a space", "'my topic'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\"my topic\""},
    {"a newline at the end", "E'orders\\n'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\"orders\\n\""},
    {"a newline in front", "E'\\norders'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\"\\norders\""},
    {"two lines", "E'orders\\nmore'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\"orders\\nmore\""},
    {"a letter outside ASCII", "U&'bestellung\\00e9'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001",
     "bestellung"},
    {"a full-width letter", "U&'\\FF41'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "not a topic name"},
    {"a slash", "'a/b'", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "\"a/b\""},
    {"250 characters", "repeat('t', 250)", "'v'::bytea", "NULL", "NULL", "NULL", "PB001", "250 bytes"},
    {"a megabyte of topic", "repeat('t', 1000000)", "'v'::bytea", "NULL", "NULL", "NULL", "PB001",
     "1000000 bytes"},
    {"too large a value", "'orders'", "decode(repeat('00', 1000001), 'hex')", "NULL", "NULL", "NULL", "PB002",
     "1000001"},
    {"too large a key", "'orders'", "NULL", "decode(repeat('61', 4097), 'hex')", "NULL", "NULL", "PB004",
     "4097"},
    {"too long a type", "'orders'", "NULL", "NULL", "repeat('t', 1025)", "NULL", "PB005", "1025"},
    {"headers: an array", "'orders'", "NULL", "NULL", "NULL", "'[\"a\"]'", "PB003", "array"},
    {"headers: an array of objects", "'orders'", "NULL", "NULL", "NULL", "'[{\"a\":\"b\"}]'", "PB003",
     "array"},
    {"headers: a string", "'orders'", "NULL", "NULL", "NULL", "'\"tenant\"'", "PB003", "\"tenant\""},
    {"headers: a number", "'orders'", "NULL", "NULL", "NULL", "'17'", "PB003", "17"},
    {"headers: a JSON null", "'orders'", "NULL", "NULL", "NULL", "'null'", "PB003", "null"},
    {"headers: a member null", "'orders'", "NULL", "NULL", "NULL", "'{\"a\":\"b\",\"tenant\":null}'", "PB003",
     "\"tenant\""},
    {"headers: a member number", "'orders'", "NULL", "NULL", "NULL", "'{\"tenant\":7}'", "PB003",
     "\"tenant\""},
    {"headers: a member array", "'orders'", "NULL", "NULL", "NULL", "'{\"tenant\":[\"x\"]}'", "PB003",
     "\"tenant\""},
    {"headers: a member object", "'orders'", "NULL", "NULL", "NULL", "'{\"tenant\":{}}'", "PB003",
     "\"tenant\""},
    {"headers: a member boolean", "'orders'", "NULL", "NULL", "NULL", "'{\"tenant\":true}'", "PB003",
     "\"tenant\""},
    {"headers: an empty name", "'orders'", "NULL", "NULL", "NULL", "'{\"\":\"x\"}'", "PB003", "\"\""},
    {"headers: too large", "'orders'", "NULL", "NULL", "NULL", "jsonb_build_object('a', repeat('x', 32768))",
     "PB003", "32777"},
};

/* The statements of the three ways to publish: the function, the table, the batch. */
static void write_statement(char *out, size_t out_size, int way, const bad_event *e)
{
    static const char *const ways[] = {
        "SELECT postbus.publish(%s, (%s)::bytea, (%s)::bytea, %s, (%s)::jsonb)",
        "INSERT INTO postbus.outbox (topic, value, key, type, headers) VALUES (%s, %s, %s, %s, %s)",
        "SELECT * FROM postbus.publish_batch(ARRAY['fine', %s]::text[], ARRAY['v', %s]::bytea[], ARRAY['k', "
        "%s]::bytea[],"
        " ARRAY['t', %s]::text[], ARRAY['{}', %s]::jsonb[])",
    };
    snprintf(out, out_size, ways[way], e->topic, e->value, e->key, e->type, e->headers);
}

static void expect_refusal(PGconn *conn, const bad_event *e, int way)
{
    char sql[1024];
    write_statement(sql, sizeof sql, way, e);
    pg_run(conn, "BEGIN; SELECT postbus.publish('before', 'x'); SAVEPOINT s");
    pg_refusal r = pg_refusal_of(conn, "%s", sql);
    if (strcmp(r.sqlstate, e->sqlstate) != 0)
        fail_msg("%s, way %d: %s %s", e->what, way, r.sqlstate, r.message);
    if (strncmp(r.message, "postbus: ", 9) != 0 || !strstr(r.message, e->named))
        fail_msg("%s, way %d: the message does not name it: %s", e->what, way, r.message);
    if (!r.hint[0])
        fail_msg("%s, way %d: no hint", e->what, way);
    pg_run(conn, "ROLLBACK TO s; SELECT postbus.publish('after', 'x'); COMMIT");
}

static void each_bad_event_is_refused_by_name_and_the_transaction_goes_on(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGconn *owner = stage_connect("owner", "main");
    int64_t events = pg_number(owner, "SELECT count(*) FROM postbus.outbox");
    size_t n = sizeof bad_events / sizeof *bad_events;
    for (size_t i = 0; i < n; i++)
        for (int way = 0; way < 3; way++)
            expect_refusal(conn, &bad_events[i], way);
    assert_int_equal(pg_number(owner, "SELECT count(*) FROM postbus.outbox") - events, 2 * 3 * n);
    assert_int_equal(
        pg_number(owner, "SELECT count(*) FROM postbus.outbox WHERE topic NOT IN ('before', 'after')"), 0);
    PQfinish(owner);
    PQfinish(conn);
}

static void a_publisher_catches_a_refusal_in_an_exception_block(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    pg_run(conn, "DO $$ BEGIN PERFORM postbus.publish('', 'x'); RAISE 'not refused';"
                 " EXCEPTION WHEN SQLSTATE 'PB001' THEN PERFORM postbus.publish('orders', 'x'); END $$");
    PQfinish(conn);
}

static void what_is_just_allowed_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "postbus.publish(repeat('t', 249), 'v')",
        "postbus.publish('a', 'v')",
        "postbus.publish('.a', 'v')",
        "postbus.publish('...', 'v')",
        "postbus.publish('-', 'v')",
        "postbus.publish('_._-9Z', 'v')",
        "postbus.publish('t', decode(repeat('00', 1000000), 'hex'))",
        "postbus.publish('t', ''::bytea, ''::bytea, '', '{}')",
        "postbus.publish('t', NULL, decode(repeat('00', 4096), 'hex'))",
        "postbus.publish('t', 'v', 'k', repeat('t', 1024))",
        "postbus.publish('t', 'v', headers => '{\"a\":\"\"}')",
        "postbus.publish('t', 'v', headers => jsonb_build_object('a', repeat('x', 32759)))",
        "postbus.publish('t', 'v', headers => '{\"h\\u00e9\":\"\\u00fc\", \"[]\": \"{}\"}')",
    };
    PGconn *conn = stage_connect("publisher", "main");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        pg_run(conn, "SELECT %s", good[i]);
    PQfinish(conn);
}

static void a_changed_limit_holds_from_the_next_publish_on(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    PGconn *conn = stage_connect("publisher", "main");
    pg_run(owner, "UPDATE postbus.setting SET value = 9000 WHERE name = 'max_value_bytes'");
    pg_run(conn, "SELECT postbus.publish('t', repeat('x', 9000))");
    pg_refusal r = pg_refusal_of(conn, "SELECT postbus.publish('t', repeat('x', 9001))");
    assert_string_equal(r.sqlstate, "PB002");
    assert_non_null(strstr(r.message, "9000"));
    pg_run(owner, "UPDATE postbus.setting SET value = 2000000 WHERE name = 'max_value_bytes'");
    pg_run(conn, "SELECT postbus.publish('t', repeat('x', 2000000))");
    pg_expect_refused(conn, "PB002", "SELECT postbus.publish('t', repeat('x', 2000001))");
    pg_run(owner, "UPDATE postbus.setting SET value = 1000000 WHERE name = 'max_value_bytes'");
    pg_run(owner, "UPDATE postbus.setting SET value = 2000 WHERE name = 'max_key_bytes'");
    pg_expect_refused(conn, "PB004", "SELECT postbus.publish('t', 'v', repeat('x', 2001))");
    pg_run(owner, "UPDATE postbus.setting SET value = 4096 WHERE name = 'max_key_bytes'");
    PQfinish(conn);
    PQfinish(owner);
}

static void a_limit_below_what_is_checked_without_the_table_is_refused(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_expect_refused(owner, "23514",
                      "UPDATE postbus.setting SET value = 8191 WHERE name = 'max_value_bytes'");
    pg_expect_refused(owner, "23514", "UPDATE postbus.setting SET value = 1023 WHERE name = 'max_key_bytes'");
    pg_expect_refused(owner, "23514",
                      "UPDATE postbus.setting SET value = 1023 WHERE name = 'max_headers_bytes'");
    PQfinish(owner);
}

static void the_limit_counts_bytes_of_the_value_and_not_of_its_compressed_form(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE TABLE source AS SELECT decode(repeat('00', 1000001), 'hex') AS v, "
                  "jsonb_build_object('a', repeat('x', 40000)) AS h");
    assert_true(pg_number(owner, "SELECT pg_column_size(v) FROM source") < 100000);
    pg_expect_refused(owner, "PB002", "INSERT INTO postbus.outbox (topic, value) SELECT 't', v FROM source");
    pg_expect_refused(owner, "PB003",
                      "INSERT INTO postbus.outbox (topic, headers) SELECT 't', h FROM source");
    PQfinish(owner);
}

static void copy_into_the_outbox_is_checked_too(void **state)
{
    (void)state;
    PGconn *conn = stage_connect("publisher", "main");
    PGresult *result = PQexec(conn, "COPY postbus.outbox (topic, value) FROM STDIN");
    assert_int_equal(PQresultStatus(result), PGRES_COPY_IN);
    PQclear(result);
    const char lines[] = "copied\tvalue\nbad topic\tvalue\n";
    assert_int_equal(PQputCopyData(conn, lines, sizeof lines - 1), 1);
    assert_int_equal(PQputCopyEnd(conn, NULL), 1);
    result = PQgetResult(conn);
    assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "PB001");
    PQclear(result);
    PQfinish(conn);
}

static void a_batch_of_arrays_of_different_lengths_is_refused(void **state)
{
    (void)state;
    static const char *const batches[] = {
        "ARRAY['a','b'], ARRAY['x']::bytea[]",
        "ARRAY['a'], NULL",
        "NULL, ARRAY['x']::bytea[]",
        "ARRAY[]::text[], ARRAY['x']::bytea[]",
        "ARRAY['a'], ARRAY['x']::bytea[], ARRAY[]::bytea[]",
        "ARRAY['a'], ARRAY['x']::bytea[], ARRAY['k','l']::bytea[]",
        "ARRAY['a'], ARRAY['x']::bytea[], types => ARRAY['k','l']",
        "ARRAY['a'], ARRAY['x']::bytea[], headers => ARRAY['{}','{}']::jsonb[]",
        "ARRAY['a'], ARRAY['x']::bytea[], event_ids => ARRAY[NULL,NULL]::uuid[]",
        "NULL, NULL, ARRAY['k']::bytea[]",
    };
    PGconn *conn = stage_connect("publisher", "main");
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        pg_refusal r = pg_refusal_of(conn, "SELECT * FROM postbus.publish_batch(%s)", batches[i]);
        assert_string_equal(r.sqlstate, "PB006");
        assert_true(r.hint[0]);
    }
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_event_is_refused_by_name_and_the_transaction_goes_on),
        cmocka_unit_test(a_publisher_catches_a_refusal_in_an_exception_block),
        cmocka_unit_test(what_is_just_allowed_is_accepted),
        cmocka_unit_test(a_changed_limit_holds_from_the_next_publish_on),
        cmocka_unit_test(a_limit_below_what_is_checked_without_the_table_is_refused),
        cmocka_unit_test(the_limit_counts_bytes_of_the_value_and_not_of_its_compressed_form),
        cmocka_unit_test(copy_into_the_outbox_is_checked_too),
        cmocka_unit_test(a_batch_of_arrays_of_different_lengths_is_refused),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
