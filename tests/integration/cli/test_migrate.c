/* postbus migrate: once, again, at the same time, and where it must refuse. */
#include "cmocka_all.h"

#include <jansson.h>
#include <string.h>

#include "pg_query.h"
#include "postbus_sql.h"
#include "proc_fixture.h"
#include "stage.h"
#include "wait_until.h"

static int newest(void)
{
    int version = 0;
    for (const sql_migration *m = sql_migrations; m->name; m++)
        version = m->version;
    return version;
}

static int count(void)
{
    int n = 0;
    while (sql_migrations[n].name)
        n++;
    return n;
}

static void an_empty_database_is_migrated_and_then_left_alone(void **state)
{
    (void)state;
    stage_database("once");
    stage_expect(0, POSTBUS("migrate"));
    stage_says("applied 0001_outbox");
    stage_says("up to date at version");
    PGconn *conn = stage_connect();
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.migration"), count());
    char *before = pg_text(conn, "SELECT max(applied_at) FROM postbus.migration");
    stage_expect(0, POSTBUS("migrate"));
    stage_does_not_say("applied");
    char *after = pg_text(conn, "SELECT max(applied_at) FROM postbus.migration");
    assert_string_equal(before, after);
    free(before);
    free(after);
    PQfinish(conn);
}

static void a_dry_run_changes_nothing_and_its_sql_is_the_migration(void **state)
{
    (void)state;
    stage_database("dry");
    stage_expect(0, POSTBUS("migrate", "--dry-run"));
    PGconn *conn = stage_connect();
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'postbus'"), 0);
    PGresult *result = PQexec(conn, stage_said);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s", PQerrorMessage(conn));
    PQclear(result);
    stage_expect(0, POSTBUS("migrate"));
    stage_does_not_say("applied");
    stage_expect(0, POSTBUS("migrate", "-n"));
    stage_says("nothing to do");
    PQfinish(conn);
}

static void json_tells_versions_and_what_was_applied(void **state)
{
    (void)state;
    stage_database("json");
    for (int run = 0; run < 2; run++) {
        stage_expect(0, POSTBUS("migrate", "--json"));
        json_t *all = json_loads(stage_said, 0, NULL);
        assert_non_null(all);
        assert_int_equal(json_integer_value(json_object_get(all, "version_before")), run ? newest() : 0);
        assert_int_equal(json_integer_value(json_object_get(all, "version")), newest());
        assert_int_equal(json_array_size(json_object_get(all, "applied")), run ? 0 : (size_t)count());
        json_decref(all);
    }
}

static void several_at_once_apply_each_migration_once(void **state)
{
    (void)state;
    stage_database("together");
    enum { N = 4 };
    proc_fixture *all[N];
    for (int i = 0; i < N; i++)
        all[i] = proc_fixture_start_postbus((const char *const[]){"migrate", NULL}, NULL);
    int n_applied = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(proc_fixture_wait_exit(all[i], 60000), 0);
        char *log = proc_fixture_log(all[i]);
        n_applied += strstr(log, "applied 0001_outbox") != NULL;
        free(log);
        proc_fixture_free(all[i]);
    }
    assert_int_equal(n_applied, 1);
}

static void one_that_waits_says_so(void **state)
{
    (void)state;
    stage_database("waiting");
    PGconn *holder = stage_connect();
    pg_run(holder, "SELECT pg_advisory_lock(%lld)", SQL_LOCK_MIGRATE);
    proc_fixture *waiting = proc_fixture_start_postbus((const char *const[]){"migrate", NULL}, NULL);
    proc_fixture_expect_log(waiting, "another migration is running", 30000);
    assert_true(proc_fixture_running(waiting));
    pg_run(holder, "SELECT pg_advisory_unlock(%lld)", SQL_LOCK_MIGRATE);
    assert_int_equal(proc_fixture_wait_exit(waiting, 30000), 0);
    proc_fixture_free(waiting);
    PQfinish(holder);
}

static void a_database_newer_than_the_program_is_refused(void **state)
{
    (void)state;
    stage_database("newer");
    stage_expect(0, POSTBUS("migrate"));
    PGconn *conn = stage_connect();
    pg_run(conn, "INSERT INTO postbus.migration (version, name, checksum) VALUES (9999, '9999_future', 'x')");
    for (int i = 0; i < 2; i++) {
        stage_expect(1, i ? POSTBUS("migrate", "--dry-run") : POSTBUS("migrate"));
        stage_says("9999");
        stage_says("as new as the database");
    }
    PQfinish(conn);
}

static void a_database_migrated_with_another_text_is_refused(void **state)
{
    (void)state;
    stage_database("other");
    stage_expect(0, POSTBUS("migrate"));
    PGconn *conn = stage_connect();
    pg_run(conn, "UPDATE postbus.migration SET checksum = repeat('0', 64) WHERE version = 1");
    stage_expect(1, POSTBUS("migrate"));
    stage_says("checksum 000000000000");
    PQfinish(conn);
}

static void a_migration_that_fails_leaves_nothing(void **state)
{
    (void)state;
    stage_database("rights");
    PGconn *conn = stage_connect();
    pg_run(conn, "DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN");
    char *conninfo = pg_fixture_conninfo(stage_pg, "rights", "weak");
    stage_expect(1, POSTBUS("migrate", "--database", conninfo));
    stage_says("permission denied");
    pg_run(conn, "CREATE SCHEMA postbus; CREATE TABLE postbus.outbox (mine int)");
    stage_expect(1, POSTBUS("migrate"));
    stage_says("migration 0001_outbox failed and nothing of it stays");
    stage_says("already exists");
    assert_int_equal(
        pg_number(conn, "SELECT count(*) FROM pg_class WHERE relnamespace = 'postbus'::regnamespace"), 1);
    free(conninfo);
    PQfinish(conn);
}

static void settings_of_the_role_do_not_matter(void **state)
{
    (void)state;
    stage_database("settings");
    PGconn *conn = stage_connect();
    pg_run(conn, "ALTER DATABASE settings SET default_transaction_isolation = 'serializable';"
                 "ALTER DATABASE settings SET default_transaction_read_only = on;"
                 "ALTER DATABASE settings SET search_path = evil, public;"
                 "CREATE SCHEMA evil; CREATE FUNCTION evil.format(text, int) RETURNS text LANGUAGE sql AS "
                 "$$SELECT 'DROP SCHEMA public'$$");
    stage_expect(0, POSTBUS("migrate"));
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'public'"), 1);
    if (PQserverVersion(conn) >= 170000) {
        pg_run(conn, "SET default_transaction_read_only = off; SET transaction_timeout = 60000");
        pg_run(conn, "%s", sql_query("migration_session"));
        assert_int_equal(pg_number(conn, "SELECT current_setting('transaction_timeout')::int"), 0);
        pg_run(conn, "ROLLBACK");
    }
    PQfinish(conn);
}

/* As the first release left it, with events in every state. */
static PGconn *filled_database_of_version_1(const char *name)
{
    stage_database(name);
    PGconn *conn = stage_connect();
    pg_run(conn, "%s", sql_query("migration_table"));
    pg_run(conn, "%s", sql_migrations[0].text);
    PGresult *noted = PQexecParams(
        conn, "INSERT INTO postbus.migration VALUES (1, '0001_outbox', encode(sha256($1::bytea), 'hex'))", 1,
        NULL, (const char *const[]){sql_migrations[0].text},
        (const int[]){(int)strlen(sql_migrations[0].text)}, (const int[]){1}, 0);
    assert_int_equal(PQresultStatus(noted), PGRES_COMMAND_OK);
    PQclear(noted);
    pg_run(conn, "SELECT count(postbus.publish('t', 'v' || i, 'k')) FROM generate_series(1, 1000) i");
    pg_run(
        conn,
        "INSERT INTO postbus.receipt SELECT 0, 1, 500, now(), array_agg(i), array_agg(0), array_agg(i) FROM "
        "generate_series(1, 500) i");
    pg_run(conn, "INSERT INTO postbus.parked (id, topic, reason) VALUES (501, 't', 'r')");
    return conn;
}

static void a_filled_database_of_the_first_version_is_brought_on(void **state)
{
    (void)state;
    static const char content[] = "SELECT md5(string_agg(e::text, '|' ORDER BY id)) FROM postbus.event e";
    PGconn *conn = filled_database_of_version_1("filled");
    PGconn *publisher = stage_connect();
    char *before = pg_text(conn, content);
    pg_run(publisher, "BEGIN; SELECT postbus.publish('t', 'during', 'k')");
    stage_expect(0, POSTBUS("migrate"));
    stage_does_not_say("applied 0001_outbox");
    stage_says("applied 0002_retention");
    char *after = pg_text(conn, content);
    assert_string_equal(before, after);
    pg_run(publisher, "COMMIT; SELECT postbus.publish('t', 'after', 'k')");
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM postbus.outbox"), 1002);
    char *outcome = pg_text(conn, "SELECT outcome FROM postbus.close_leaf('0 s')");
    assert_string_equal(outcome, "closed");
    assert_int_equal(pg_number(conn, "SELECT n_missing FROM postbus.check_leaf(0, 0, 1000)"), 499);
    free(outcome);
    free(before);
    free(after);
    PQfinish(publisher);
    PQfinish(conn);
}

static bool migration_waits(void *arg)
{
    PGconn *conn = arg;
    return pg_number(conn, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid "
                           "<> pg_backend_pid() AND wait_event IN ('PgSleep', 'relation')") > 0;
}

/* An operator's open transaction holds postbus.wish. The relay, which reads it all the time, must not stand behind the migration that waits for that. */
static void nobody_stands_behind_a_migration_that_waits(void **state)
{
    (void)state;
    PGconn *conn = filled_database_of_version_1("waiting"), *operator= stage_connect();
    for (const sql_migration *m = &sql_migrations[1]; m->version < 8; m++)
        pg_run(conn,
               "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp; %s; INSERT INTO postbus.migration VALUES "
               "(%d, '%s', "
               "encode(sha256(convert_to($migration$%s$migration$, 'UTF8')), 'hex')); COMMIT",
               m->text, m->version, m->name, m->text);
    pg_run(operator, "BEGIN; SELECT postbus.redrive()");
    proc_fixture *migrate = proc_fixture_start_postbus((const char *const[]){"migrate", NULL}, NULL);
    assert_true(wait_until(migration_waits, conn, 120000));
    pg_run(conn, "SET lock_timeout = '10s'");
    for (int i = 0; i < 20; i++)
        pg_run(conn, "SELECT count(*) FROM postbus.wish");
    pg_run(operator, "COMMIT");
    assert_int_equal(proc_fixture_wait_exit(migrate, 120000), 0);
    assert_int_equal(pg_number(conn, "SELECT max(version) FROM postbus.migration"), newest());
    proc_fixture_free(migrate);
    PQfinish(operator);
    PQfinish(conn);
}

static void a_database_of_another_encoding_is_migrated(void **state)
{
    (void)state;
    PGconn *server = pg_fixture_connect(stage_pg, NULL, NULL);
    stage_database("latin");
    pg_run(server, "DROP DATABASE latin");
    pg_run(server, "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    stage_expect(0, POSTBUS("migrate"));
    stage_expect(0, POSTBUS("migrate"));
    stage_does_not_say("applied");
    PQfinish(server);
}

static void the_subscribers_side_is_migrated_by_itself_or_beside_the_outbox(void **state)
{
    (void)state;
    stage_database("subscriber");
    stage_expect(0, POSTBUS("migrate", "--subscriber", "--dry-run"));
    stage_says("CREATE SCHEMA IF NOT EXISTS postbus_inbox");
    PGconn *conn = stage_connect();
    for (int run = 0; run < 2; run++) {
        stage_expect(0, POSTBUS("migrate", "--subscriber"));
        (run ? stage_does_not_say : stage_says)("applied 0001_inbox");
    }
    assert_int_equal(pg_number(conn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'postbus'"), 0);
    stage_expect(0, POSTBUS("migrate"));
    stage_says("applied 0001_outbox");
    pg_expect(conn, NULL,
              "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p"
              " WHERE p.pronamespace = 'postbus_inbox'::regnamespace AND has_function_privilege('public', "
              "p.oid, 'EXECUTE')");
    pg_expect(conn, NULL,
              "SELECT string_agg(c.relname, ', ') FROM pg_class c WHERE c.relnamespace = "
              "'postbus_inbox'::regnamespace AND c.relkind IN ('r', 'p')"
              " AND c.relname !~ '_[0-9]$' AND obj_description(c.oid, 'pg_class') IS NULL AND c.relname <> "
              "'migration'");
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_is_migrated_and_then_left_alone),
        cmocka_unit_test(a_dry_run_changes_nothing_and_its_sql_is_the_migration),
        cmocka_unit_test(json_tells_versions_and_what_was_applied),
        cmocka_unit_test(several_at_once_apply_each_migration_once),
        cmocka_unit_test(one_that_waits_says_so),
        cmocka_unit_test(a_database_newer_than_the_program_is_refused),
        cmocka_unit_test(a_database_migrated_with_another_text_is_refused),
        cmocka_unit_test(a_migration_that_fails_leaves_nothing),
        cmocka_unit_test(settings_of_the_role_do_not_matter),
        cmocka_unit_test(a_filled_database_of_the_first_version_is_brought_on),
        cmocka_unit_test(nobody_stands_behind_a_migration_that_waits),
        cmocka_unit_test(a_database_of_another_encoding_is_migrated),
        cmocka_unit_test(the_subscribers_side_is_migrated_by_itself_or_beside_the_outbox),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
