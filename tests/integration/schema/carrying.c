/* The schema on other grounds: dumped and restored, migrated by others, in other encodings and collations, on a standby. */
#include "stage.h"

#include "proc_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHELL_DEADLINE_MS = 60000 };

/* A line of shell, in which $DIR is the server's directory; whether it succeeded. */
static bool shell(const char *line)
{
    char variable[128];
    char *said = NULL;
    snprintf(variable, sizeof variable, "DIR=%s", pg_fixture_directory(stage_pg));
    bool ok = proc_fixture_run((const char *const[]){"bash", "-c", line, NULL},
                               (const char *const[]){variable, NULL}, &said, SHELL_DEADLINE_MS) == 0;
    if (!ok && *said)
        print_error("%s: %s", line, said);
    free(said);
    return ok;
}

static void a_dump_restores_with_every_event_and_its_id(void **state)
{
    (void)state;
    if (!shell("test -x $(cat $DIR/bin)/pg_dump")) /* some packages of PostgreSQL are the server alone */
        skip();
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "UPDATE postbus.setting SET value = 20000 WHERE name = 'max_value_bytes'");
    pg_run(owner, "SELECT postbus.publish('t', repeat('x', 20000), 'k', 'y', jsonb_build_object('a', "
                  "repeat('b', 2000)));"
                  "SELECT postbus.publish('.t', 'v', event_id => gen_random_uuid()); SELECT "
                  "postbus.publish('t', NULL)");
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', 1::bigint << 34)");
    pg_run(owner, "SELECT postbus.publish('t', 'far')");
    /* Lowered after the fact: what was published before must come back all the same. */
    pg_run(owner, "UPDATE postbus.setting SET value = 8192 WHERE name = 'max_value_bytes'");
    pg_run(owner, "CREATE DATABASE restored");
    assert_true(shell("$(cat $DIR/bin)/pg_dump -h $DIR -p $(cat $DIR/port) -U owner main >$DIR/dump.sql"));
    assert_true(shell("psql -qX -v ON_ERROR_STOP=1 -h $DIR -p $(cat $DIR/port) -U owner -d restored "
                      "-f $DIR/dump.sql"));
    PGconn *restored = stage_connect("owner", "restored");
    static const char content[] = "SELECT md5(string_agg(e::text, '|' ORDER BY id)) FROM (SELECT id, "
                                  "event_id, topic, key, type, created_at FROM postbus.event) e";
    char *expected = pg_text(owner, content);
    pg_expect(restored, expected, content);
    free(expected);
    assert_int_equal(pg_number(restored, "SELECT last_value FROM postbus.outbox_id_seq"),
                     ((int64_t)1 << 34) + 1);
    pg_expect_refused(restored, "PB001", "SELECT postbus.publish('a b', 'v')");
    pg_expect_refused(restored, "PB002", "SELECT postbus.publish('t', repeat('x', 8193))");
    PGconn *conn = stage_connect("publisher", "restored");
    pg_run(conn, "SELECT postbus.publish('t', 'v')");
    pg_expect_refused(conn, "42501", "TABLE postbus.outbox");
    PQfinish(conn);
    PQfinish(restored);
    PQfinish(owner);
}

static void a_migration_finds_the_roles_of_another_database(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE DATABASE second");
    PGconn *second = stage_connect("owner", "second");
    pg_fixture_migrate_over(second);
    assert_int_equal(pg_number(second, "SELECT postbus.publish('t', 'v')"), 1);
    PGconn *conn = stage_connect("publisher", "second");
    pg_run(conn, "SELECT postbus.publish('t', 'v')");
    char *first_id = pg_text(owner, "SELECT postbus.event_id(1)");
    char *second_id = pg_text(second, "SELECT postbus.event_id(1)");
    assert_string_not_equal(first_id, second_id);
    free(first_id);
    free(second_id);
    PQfinish(conn);
    PQfinish(second);
    PQfinish(owner);
}

static void a_role_that_may_create_roles_can_migrate(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE ROLE migrator LOGIN CREATEROLE");
    pg_run(owner, "CREATE DATABASE third OWNER migrator");
    PGconn *conn = stage_connect("migrator", "third");
    pg_fixture_migrate_over(conn);
    PQfinish(conn);
    conn = stage_connect("publisher", "third");
    pg_run(conn, "SELECT postbus.publish('t', repeat('x', 9000), 'k', 'y', '{\"a\":\"b\"}')");
    pg_run(conn, "SELECT * FROM postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])");
    PQfinish(conn);
    PQfinish(owner);
}

static void names_in_the_migrators_path_do_not_mislead_the_migration(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE DATABASE trapped");
    PGconn *conn = stage_connect("owner", "trapped");
    pg_run(
        conn,
        "CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''sprung''; "
        "END';"
        "CREATE FUNCTION public.left(text, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''sprung''; "
        "END';"
        "CREATE DOMAIN public.uuid AS text CHECK (false); CREATE DOMAIN public.xid8 AS text CHECK (false);"
        "SET search_path = public, pg_catalog");
    pg_fixture_migrate_over(conn);
    assert_int_equal(pg_number(conn, "SELECT postbus.publish('t', 'v')"), 1);
    PQfinish(conn);
    PQfinish(owner);
}

static void text_of_a_database_in_another_encoding_is_published_as_utf8(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    PGconn *conn = stage_connect("owner", "latin");
    pg_fixture_migrate_over(conn);
    pg_run(conn, "SELECT postbus.publish('t', E'\xc3\xbc', E'\xc3\xa9')");
    pg_expect(conn, "c3bc c3a9",
              "SELECT encode(value, 'hex') || ' ' || encode(key, 'hex') FROM postbus.outbox");
    pg_expect_refused(conn, "PB001", "SELECT postbus.publish(E'\xc3\xbc', 'v')");
    PQfinish(conn);
    pg_run(owner,
           "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    conn = stage_connect("owner", "ascii");
    pg_fixture_migrate_over(conn);
    pg_run(conn, "SELECT postbus.publish('t', E'\xc3\xbc')");
    pg_expect(conn, "c3bc", "SELECT encode(value, 'hex') FROM postbus.outbox");
    pg_expect_refused(conn, "22021", "SELECT postbus.publish('t', E'\\xff')");
    PQfinish(conn);
    PQfinish(owner);
}

/* A database of another encoding, with an outbox. The connection speaks UTF-8: what it is told has to have that form. */
static PGconn *connect_to_new(const char *name, const char *encoding)
{
    PGconn *owner = stage_connect("owner", "main");
    pg_run(owner, "DROP DATABASE IF EXISTS %s", name);
    pg_run(owner, "CREATE DATABASE %s ENCODING '%s' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'", name,
           encoding);
    PQfinish(owner);
    PGconn *conn = stage_connect("owner", name);
    pg_fixture_migrate_over(conn);
    return conn;
}

typedef struct without_utf8 {
    const char *type, *headers, *sqlstate, *named;
} without_utf8;

/* Byte 0x81 is no UTF-8 by itself, and no character of WIN1252. */
static const without_utf8 texts_without_utf8[] = {
    {"E'comm\\x81nd'", "NULL", "PB005", "comm\\201nd"},
    {"NULL", "('{\"a\":\"b\",\"name\":\"' || E'comm\\x81nd' || '\"}')::jsonb", "PB003",
     "\"name\" has no UTF-8 form: comm\\201nd"},
    {"NULL", "('{\"a\":\"b\",\"' || E'n\\x81me' || '\":\"v\"}')::jsonb", "PB003",
     "\"n\\201me\" has no UTF-8 form"},
    {"repeat(E'\\x81', 1025)", "NULL", "PB005", "1025 bytes"},
    {"NULL", "('{\"' || E'n\\x81me' || '\":7}')::jsonb", "PB003", "a JSON number"},
};

/* publish() in its three forms, the table, the batch. */
static const char *const ways_to_publish[] = {
    "SELECT postbus.publish('t', 'v', 'k', %s, %s)",
    "SELECT postbus.publish('t', '{}'::jsonb, 'k', %s, %s)",
    "SELECT postbus.publish('t', 'v'::bytea, 'k', %s, %s)",
    "INSERT INTO postbus.outbox (topic, type, headers) VALUES ('t', %s, %s)",
    "INSERT INTO postbus.outbox (topic, type, headers) SELECT 't', %s, %s FROM generate_series(1, 2)",
    "SELECT postbus.publish_batch('{t}', '{v}', NULL, ARRAY[%s]::text[], ARRAY[(%s)::jsonb])",
};

static void expect_refused_as_no_utf8(PGconn *conn, const char *way, const without_utf8 *text)
{
    char sql[1024];
    size_t at = (size_t)(strstr(way, "%s") - way), next = (size_t)(strstr(way + at + 2, "%s") - way);
    snprintf(sql, sizeof sql, "%.*s%s%.*s%s%s", (int)at, way, text->type, (int)(next - at - 2), way + at + 2,
             text->headers, way + next + 2);
    pg_refusal r = pg_refusal_of(conn, "%s", sql);
    if (strcmp(r.sqlstate, text->sqlstate) != 0 || !strstr(r.message, text->named) || !r.hint[0])
        fail_msg("%s: %s %s (%s)", sql, r.sqlstate, r.message, r.hint);
}

/* COPY quotes its line with the error, as it is: only in the database's own encoding can it be sent. */
static void expect_copy_refused(PGconn *conn, const char *encoding)
{
    static const char row[] = "t\tcomm\\x81nd\n";
    assert_int_equal(PQsetClientEncoding(conn, encoding), 0);
    PQclear(PQexec(conn, "COPY postbus.outbox (topic, type) FROM STDIN"));
    assert_int_equal(PQputCopyData(conn, row, sizeof row - 1), 1);
    assert_int_equal(PQputCopyEnd(conn, NULL), 1);
    PGresult *res = PQgetResult(conn);
    assert_string_equal(PQresultErrorField(res, PG_DIAG_SQLSTATE), "PB005");
    PQclear(res);
    assert_null(PQgetResult(conn));
    assert_int_equal(PQsetClientEncoding(conn, "UTF8"), 0);
}

static void expect_text_refused(const char *name, const char *encoding)
{
    PGconn *conn = connect_to_new(name, encoding);
    /* The constraints that a dump has to pass with its data take what was there before. */
    pg_expect(conn, "t",
              "SELECT postbus.check_headers(('{\"a\":\"' || E'\\x81' || repeat('x', 1100) || '\"}')::jsonb)");
    for (size_t i = 0; i < sizeof texts_without_utf8 / sizeof texts_without_utf8[0]; i++)
        for (size_t way = 0; way < sizeof ways_to_publish / sizeof ways_to_publish[0]; way++)
            expect_refused_as_no_utf8(conn, ways_to_publish[way], &texts_without_utf8[i]);
    expect_copy_refused(conn, encoding);
    pg_expect_refused(conn, "PB001", "SELECT postbus.publish(E't\\x81', 'v')");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox"), 0);
    pg_run(conn, "SELECT postbus.publish('t', 'v', 'k', '\xc3\xbc', '{\"\xc3\xbc\":\"\xc3\xbc\"}'::jsonb)");
    pg_expect(conn, "\xc3\xbc {\"\xc3\xbc\": \"\xc3\xbc\"}",
              "SELECT type || ' ' || headers::text FROM postbus.outbox");
    PQfinish(conn);
}

static void type_and_headers_without_a_utf8_form_are_refused(void **state)
{
    (void)state;
    expect_text_refused("bytes", "SQL_ASCII");
    expect_text_refused("windows", "WIN1252");
}

static void a_publisher_is_told_by_our_error_that_its_type_has_no_utf8_form(void **state)
{
    (void)state;
    PGconn *owner = connect_to_new("told", "WIN1252"), *conn = stage_connect("publisher", "told");
    pg_expect_refused(conn, "PB005", "SELECT postbus.publish('t', 'v', type => E'\\x81')");
    pg_expect_refused(conn, "PB003",
                      "INSERT INTO postbus.outbox (topic, headers) VALUES ('t', ('{\"a\":\"' || E'\\x81' || "
                      "'\"}')::jsonb)");
    PQfinish(conn);
    PQfinish(owner);
}

static void expect_operators_text_refused(const char *name, const char *encoding)
{
    PGconn *conn = connect_to_new(name, encoding);
    static const char *const calls[] = {
        "SELECT postbus.redrive(why => E'bec\\x81use')", "SELECT postbus.redrive(topic => E't\\x81')",
        "SELECT postbus.discard(1, E'bec\\x81use')", "SELECT postbus.rebase(false, E'bec\\x81use')"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        pg_refusal r = pg_refusal_of(conn, "%s", calls[i]);
        if (strcmp(r.sqlstate, "PB008") != 0 || !strstr(r.message, "\\201") || !r.hint[0])
            fail_msg("%s: %s %s (%s)", calls[i], r.sqlstate, r.message, r.hint);
    }
    pg_run(conn, "SELECT postbus.redrive(why => 'f\xc3\xbcr'); SELECT postbus.redrive()");
    pg_expect(conn, "2", "SELECT count(*) FROM postbus.audit");
    PQfinish(conn);
}

static void a_reason_without_a_utf8_form_is_refused_because_nobody_could_read_the_audit(void **state)
{
    (void)state;
    expect_operators_text_refused("reasons", "SQL_ASCII");
    expect_operators_text_refused("windows_reasons", "WIN1252");
}

/* What was written before the migration; as docs/runbook.md mends it. */
static void an_audit_from_before_can_be_mended_and_read(void **state)
{
    (void)state;
    PGconn *conn = connect_to_new("audited", "WIN1252");
    pg_run(conn, "ALTER TABLE postbus.audit DROP CONSTRAINT audit_utf8;"
                 "SELECT postbus.redrive(topic => E't\\x81', why => E'bec\\x81use')");
    pg_run(conn,
           "ALTER TABLE postbus.audit ADD CONSTRAINT audit_utf8 CHECK (postbus.check_audit(what, why)) NOT "
           "VALID");
    pg_expect_refused(conn, "22P05", "SELECT why FROM postbus.audit");
    pg_run(conn, "UPDATE postbus.audit SET why = postbus.shown(why), what = CASE WHEN "
                 "postbus.has_utf8(what::text) THEN what ELSE jsonb_build_object('shown', "
                 "postbus.shown(what::text)) END WHERE NOT (postbus.has_utf8(why) AND "
                 "postbus.has_utf8(what::text))");
    pg_expect(conn, "bec\\201use", "SELECT why FROM postbus.audit WHERE what ? 'shown'");
    PQfinish(conn);
}

static void collations_do_not_change_what_a_topic_is(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    if (PQserverVersion(owner) < 150000 ||
        pg_number(owner, "SELECT count(*) FROM pg_collation WHERE collname = 'tr-x-icu'") == 0) {
        PQfinish(owner);
        skip();
    }
    pg_run(owner,
           "CREATE DATABASE turkish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C'");
    PGconn *conn = stage_connect("owner", "turkish");
    pg_fixture_migrate_over(conn);
    pg_run(conn,
           "SELECT postbus.publish('TITI-titi_I.i', 'v'); BEGIN; SET LOCAL postbus.ring = 'OFF'; SELECT "
           "postbus.publish('i', 'v'); COMMIT");
    pg_expect_refused(conn, "PB001", "SELECT postbus.publish(U&'\\0131', 'v')");
    pg_run(conn,
           "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)");
    pg_run(conn, "SELECT postbus.publish('t' COLLATE loose, 'v' COLLATE loose, 'k', 'y' COLLATE loose)");
    pg_expect_refused(conn, "PB001", "SELECT postbus.publish('a b' COLLATE loose, 'v')");
    pg_run(conn, "INSERT INTO postbus.outbox (topic, type) VALUES ('...' COLLATE loose, repeat('y', 1024) "
                 "COLLATE loose)");
    PQfinish(conn);
    PQfinish(owner);
}

static void a_standby_gives_postgresqls_own_error_and_shows_the_events(void **state)
{
    (void)state;
    pg_fixture *standby = pg_fixture_new_standby(stage_pg);
    PGconn *conn = pg_fixture_connect(standby, "main", "owner");
    pg_expect_refused(conn, "25006", "SELECT postbus.publish('t', 'v')");
    pg_expect_refused(conn, "25006", "INSERT INTO postbus.outbox (topic) VALUES ('t')");
    pg_run(conn, "SELECT * FROM postbus.event; SELECT * FROM postbus.backlog()");
    PQfinish(conn);
    pg_fixture_free(standby);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_restores_with_every_event_and_its_id),
        cmocka_unit_test(a_migration_finds_the_roles_of_another_database),
        cmocka_unit_test(a_role_that_may_create_roles_can_migrate),
        cmocka_unit_test(names_in_the_migrators_path_do_not_mislead_the_migration),
        cmocka_unit_test(text_of_a_database_in_another_encoding_is_published_as_utf8),
        cmocka_unit_test(type_and_headers_without_a_utf8_form_are_refused),
        cmocka_unit_test(a_publisher_is_told_by_our_error_that_its_type_has_no_utf8_form),
        cmocka_unit_test(a_reason_without_a_utf8_form_is_refused_because_nobody_could_read_the_audit),
        cmocka_unit_test(an_audit_from_before_can_be_mended_and_read),
        cmocka_unit_test(collations_do_not_change_what_a_topic_is),
        cmocka_unit_test(a_standby_gives_postgresqls_own_error_and_shows_the_events),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
