/* The schema on other grounds: dumped and restored, migrated by others, in other encodings and collations, on a standby. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_dump_restores_with_every_event_and_its_id(void **state)
{
    (void)state;
    if (!stage_shell("test -x %s/pg_dump",
                     stage_bin())) /* some packages of PostgreSQL are the server alone */
        skip();
    PGconn *owner = stage_connect("owner", "main");
    run(owner, "UPDATE postbus.setting SET value = 20000 WHERE name = 'max_value_bytes'");
    run(owner, "SELECT postbus.publish('t', repeat('x', 20000), 'k', 'y', jsonb_build_object('a', "
               "repeat('b', 2000)));"
               "SELECT postbus.publish('.t', 'v', event_id => gen_random_uuid()); SELECT "
               "postbus.publish('t', NULL)");
    run(owner, "SELECT setval('postbus.outbox_id_seq', 1::bigint << 34)");
    run(owner, "SELECT postbus.publish('t', 'far')");
    /* Lowered after the fact: what was published before must come back all the same. */
    run(owner, "UPDATE postbus.setting SET value = 8192 WHERE name = 'max_value_bytes'");
    run(owner, "CREATE DATABASE restored");
    assert_true(stage_shell("%s/pg_dump -h %s -p %s -U owner main > %s/dump.sql", stage_bin(), stage_socket(),
                            stage_port(), stage_socket()));
    assert_true(
        stage_shell("psql -qX -v ON_ERROR_STOP=1 -h %s -p %s -U owner -d restored -f %s/dump.sql >/dev/null",
                    stage_socket(), stage_port(), stage_socket()));
    PGconn *restored = stage_connect("owner", "restored");
    static const char content[] = "SELECT md5(string_agg(e::text, '|' ORDER BY id)) FROM (SELECT id, "
                                  "event_id, topic, key, type, created_at FROM postbus.event) e";
    char *expected = value_of(owner, content);
    assert_value(restored, expected, content);
    free(expected);
    assert_int_equal(number_of(restored, "SELECT last_value FROM postbus.outbox_id_seq"),
                     ((int64_t)1 << 34) + 1);
    assert_refused(restored, "PB001", "SELECT postbus.publish('a b', 'v')");
    assert_refused(restored, "PB002", "SELECT postbus.publish('t', repeat('x', 8193))");
    PGconn *conn = stage_connect("publisher", "restored");
    run(conn, "SELECT postbus.publish('t', 'v')");
    assert_refused(conn, "42501", "TABLE postbus.outbox");
    PQfinish(conn);
    PQfinish(restored);
    PQfinish(owner);
}

static void a_migration_finds_the_roles_of_another_database(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    run(owner, "CREATE DATABASE second");
    PGconn *second = stage_connect("owner", "second");
    stage_migrate(second);
    assert_int_equal(number_of(second, "SELECT postbus.publish('t', 'v')"), 1);
    PGconn *conn = stage_connect("publisher", "second");
    run(conn, "SELECT postbus.publish('t', 'v')");
    char *first_id = value_of(owner, "SELECT postbus.event_id(1)");
    char *second_id = value_of(second, "SELECT postbus.event_id(1)");
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
    run(owner, "CREATE ROLE migrator LOGIN CREATEROLE");
    run(owner, "CREATE DATABASE third OWNER migrator");
    PGconn *conn = stage_connect("migrator", "third");
    stage_migrate(conn);
    PQfinish(conn);
    conn = stage_connect("publisher", "third");
    run(conn, "SELECT postbus.publish('t', repeat('x', 9000), 'k', 'y', '{\"a\":\"b\"}')");
    run(conn, "SELECT * FROM postbus.publish_batch(ARRAY['t'], ARRAY['v']::bytea[])");
    PQfinish(conn);
    PQfinish(owner);
}

static void names_in_the_migrators_path_do_not_mislead_the_migration(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    run(owner, "CREATE DATABASE trapped");
    PGconn *conn = stage_connect("owner", "trapped");
    run(conn,
        "CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''sprung''; "
        "END';"
        "CREATE FUNCTION public.left(text, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''sprung''; "
        "END';"
        "CREATE DOMAIN public.uuid AS text CHECK (false); CREATE DOMAIN public.xid8 AS text CHECK (false);"
        "SET search_path = public, pg_catalog");
    stage_migrate(conn);
    assert_int_equal(number_of(conn, "SELECT postbus.publish('t', 'v')"), 1);
    PQfinish(conn);
    PQfinish(owner);
}

static void text_of_a_database_in_another_encoding_is_published_as_utf8(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    run(owner, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    PGconn *conn = stage_connect("owner", "latin");
    stage_migrate(conn);
    run(conn, "SELECT postbus.publish('t', E'\xc3\xbc', E'\xc3\xa9')");
    assert_value(conn, "c3bc c3a9",
                 "SELECT encode(value, 'hex') || ' ' || encode(key, 'hex') FROM postbus.outbox");
    assert_refused(conn, "PB001", "SELECT postbus.publish(E'\xc3\xbc', 'v')");
    PQfinish(conn);
    run(owner, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    conn = stage_connect("owner", "ascii");
    stage_migrate(conn);
    run(conn, "SELECT postbus.publish('t', E'\xc3\xbc')");
    assert_value(conn, "c3bc", "SELECT encode(value, 'hex') FROM postbus.outbox");
    assert_refused(conn, "22021", "SELECT postbus.publish('t', E'\\xff')");
    PQfinish(conn);
    PQfinish(owner);
}

static void collations_do_not_change_what_a_topic_is(void **state)
{
    (void)state;
    PGconn *owner = stage_connect("owner", "main");
    if (PQserverVersion(owner) < 150000 ||
        number_of(owner, "SELECT count(*) FROM pg_collation WHERE collname = 'tr-x-icu'") == 0) {
        PQfinish(owner);
        skip();
    }
    run(owner, "CREATE DATABASE turkish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C'");
    PGconn *conn = stage_connect("owner", "turkish");
    stage_migrate(conn);
    run(conn, "SELECT postbus.publish('TITI-titi_I.i', 'v'); BEGIN; SET LOCAL postbus.ring = 'OFF'; SELECT "
              "postbus.publish('i', 'v'); COMMIT");
    assert_refused(conn, "PB001", "SELECT postbus.publish(U&'\\0131', 'v')");
    run(conn, "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)");
    run(conn, "SELECT postbus.publish('t' COLLATE loose, 'v' COLLATE loose, 'k', 'y' COLLATE loose)");
    assert_refused(conn, "PB001", "SELECT postbus.publish('a b' COLLATE loose, 'v')");
    run(conn, "INSERT INTO postbus.outbox (topic, type) VALUES ('...' COLLATE loose, repeat('y', 1024) "
              "COLLATE loose)");
    PQfinish(conn);
    PQfinish(owner);
}

static void a_standby_gives_postgresqls_own_error_and_shows_the_events(void **state)
{
    (void)state;
    char arguments[512];
    char port[16] = "";
    char path[128];
    snprintf(arguments, sizeof arguments, "standby %s.standby --of %s", stage_socket(), stage_socket());
    assert_true(stage_cluster(arguments));
    snprintf(arguments, sizeof arguments, "start %s.standby", stage_socket());
    assert_true(stage_cluster(arguments));
    snprintf(path, sizeof path, "%s.standby/port", stage_socket());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(port, sizeof port, file));
    fclose(file);
    port[strcspn(port, "\n")] = '\0';
    char conninfo[256];
    snprintf(conninfo, sizeof conninfo, "host=%s.standby port=%s user=owner dbname=main", stage_socket(),
             port);
    PGconn *conn = PQconnectdb(conninfo);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    assert_refused(conn, "25006", "SELECT postbus.publish('t', 'v')");
    assert_refused(conn, "25006", "INSERT INTO postbus.outbox (topic) VALUES ('t')");
    run(conn, "SELECT * FROM postbus.event; SELECT * FROM postbus.backlog()");
    PQfinish(conn);
    snprintf(arguments, sizeof arguments, "stop %s.standby --mode immediate", stage_socket());
    assert_true(stage_cluster(arguments));
    assert_true(stage_shell("rm -rf '%s.standby'", stage_socket()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_restores_with_every_event_and_its_id),
        cmocka_unit_test(a_migration_finds_the_roles_of_another_database),
        cmocka_unit_test(a_role_that_may_create_roles_can_migrate),
        cmocka_unit_test(names_in_the_migrators_path_do_not_mislead_the_migration),
        cmocka_unit_test(text_of_a_database_in_another_encoding_is_published_as_utf8),
        cmocka_unit_test(collations_do_not_change_what_a_topic_is),
        cmocka_unit_test(a_standby_gives_postgresqls_own_error_and_shows_the_events),
    };
    return cmocka_run_group_tests(tests, stage_start, stage_stop);
}
