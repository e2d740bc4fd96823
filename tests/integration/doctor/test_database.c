/* Faults of the database's side, each brought about for real. */
#include "examined.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "postbus_sql.h"
#include "proc_fixture.h"
#include "text_file.h"
#include "wait_until.h"

enum { POOLER_PORT = 6432 /* names a socket in a private directory */, SOON_MS = 120000 };

static PGconn *owner; /* of the test's own database */

static int open_group(void **state)
{
    int code = stage_open(state);
    PGconn *conn = pg_fixture_connect(stage_pg, NULL, NULL);
    pg_run(conn, "CREATE ROLE relay LOGIN; CREATE ROLE looker LOGIN; CREATE ROLE nobody LOGIN");
    PQfinish(conn);
    return code;
}

/* A migrated database; the doctor comes as the relay's role. */
static void set_up(const char *name)
{
    PQfinish(owner);
    stage_database(name);
    stage_expect(0, POSTBUS("migrate"));
    owner = stage_connect();
    pg_run(owner, "GRANT postbus_relay, pg_read_all_stats TO relay; GRANT postbus_viewer TO looker");
    char *conninfo = pg_fixture_conninfo(stage_pg, name, "relay");
    setenv("POSTBUS_DATABASE", conninfo, 1);
    free(conninfo);
}

static int close_group(void **state)
{
    PQfinish(owner);
    return stage_close(state);
}

static void a_sound_set_up_has_no_fault_and_says_what_was_not_looked_at(void **state)
{
    (void)state;
    set_up("sound");
    EXAMINE(0, "--older-than", "60");
    expect_no_fault();
    expect_finding("kafka.brokers", "skipped", "no --brokers");
    expect_finding("topic.exists", "skipped", "no --brokers");
    expect_finding("outbox.ring", "ok", "0 % full");
    stage_expect(0, POSTBUS("doctor"));
    stage_says("ok       role.privileges");
    stage_says("errors: 0, warnings: 0");
}

static void without_a_database_the_rest_is_skipped(void **state)
{
    (void)state;
    EXAMINE(4, "--database", "host=/nowhere user=relay password=geheim");
    expect_finding("database.connection", "error", "/nowhere");
    expect_finding("server.settings", "skipped", "no connection");
    expect_finding("outbox.ring", "skipped", "no connection");
    stage_does_not_say("geheim");
    unsetenv("POSTBUS_DATABASE");
    stage_expect(2, POSTBUS("doctor"));
    stage_says("no database is given");
}

static void a_schema_that_is_missing_old_or_new_is_told(void **state)
{
    (void)state;
    stage_database("bare");
    EXAMINE(4, "--older-than", "60");
    expect_finding("schema.version", "error", "no schema postbus");
    expect_finding("outbox.sequence", "skipped", "no schema postbus");
    set_up("versions");
    pg_run(owner,
           "INSERT INTO postbus.migration SELECT 999, 'future', checksum FROM postbus.migration LIMIT 1");
    EXAMINE(4, "--older-than", "60");
    expect_finding("schema.version", "error", "has migration 999");
    pg_run(owner, "DELETE FROM postbus.migration WHERE version IN (999, (SELECT max(version) FROM "
                  "postbus.migration WHERE version < 999))");
    EXAMINE(4, "--older-than", "60");
    expect_finding("schema.version", "error", "this program knows");
}

static void a_role_that_lacks_rights_or_has_all_is_told(void **state)
{
    (void)state;
    set_up("roles");
    char *as_looker = pg_fixture_conninfo(stage_pg, "roles", "looker");
    char *as_nobody = pg_fixture_conninfo(stage_pg, "roles", "nobody");
    EXAMINE(4, "--database", as_looker);
    expect_finding("role.privileges", "error", "the role looker lacks");
    EXAMINE(4, "--database", as_nobody);
    expect_finding("schema.version", "error", "the role nobody may not use the schema");
    pg_run(owner, "REVOKE INSERT ON postbus.receipt FROM postbus_relay");
    EXAMINE(4, "--older-than", "60");
    expect_finding("role.privileges", "error", "the role relay lacks INSERT on postbus.receipt");
    pg_run(owner, "GRANT INSERT ON postbus.receipt TO postbus_relay");
    char *as_superuser = pg_fixture_conninfo(stage_pg, "roles", NULL);
    EXAMINE(0, "--database", as_superuser);
    expect_finding("role.privileges", "warning", "superuser");
    free(as_looker);
    free(as_nobody);
    free(as_superuser);
}

typedef struct server_setting {
    const char *name, *value;
} server_setting;

static bool is_set(void *arg)
{
    const server_setting *s = arg;
    char *now = pg_text(owner, "SELECT current_setting('%s')", s->name);
    bool same = strcmp(now, s->value) == 0;
    free(now);
    return same;
}

static void set_server(const char *name, const char *value)
{
    server_setting s = {name, value};
    pg_run(owner, "ALTER SYSTEM SET %s = %s", name, value);
    pg_run(owner, "SELECT pg_reload_conf()");
    assert_true(wait_until(is_set, &s, SOON_MS));
}

static void settings_that_can_undo_a_commit_are_told(void **state)
{
    (void)state;
    static const char *const names[] = {"fsync", "full_page_writes"};
    set_up("settings");
    for (size_t i = 0; i < 2; i++) {
        char found[64];
        set_server(names[i], "off");
        EXAMINE(4, "--older-than", "60");
        snprintf(found, sizeof found, "%s is off", names[i]);
        expect_finding("server.settings", "error", found);
        set_server(names[i], "on");
    }
    pg_run(
        owner,
        "ALTER DATABASE settings SET zero_damaged_pages = on; ALTER ROLE looker SET synchronous_commit = off;"
        "ALTER ROLE relay IN DATABASE settings SET session_replication_role = replica");
    EXAMINE(4, "--older-than", "60");
    expect_finding("server.settings", "error", "zero_damaged_pages is on");
    expect_finding("server.settings", "error", "for the database settings");
    expect_finding("server.settings", "warning", "synchronous_commit is off for the role looker");
    expect_finding("server.settings", "warning",
                   "session_replication_role is replica for the role relay in the database settings");
    pg_run(owner, "ALTER ROLE looker RESET ALL");
}

/* No standby of that name is there, and nothing is committed meanwhile that would wait for it. */
static void commits_that_wait_too_little_or_too_long_for_standbys_are_told(void **state)
{
    (void)state;
    set_up("standbys");
    pg_run(owner, "ALTER DATABASE standbys SET synchronous_commit = local; ALTER ROLE looker SET "
                  "synchronous_commit = remote_apply");
    EXAMINE(0, "--older-than", "60");
    expect_finding("server.settings", "ok", "synchronous_commit is local");
    set_server("synchronous_standby_names", "elsewhere");
    EXAMINE(0, "--older-than", "60");
    expect_finding("server.settings", "warning", "synchronous_commit is local for the database standbys");
    expect_finding("server.settings", "warning", "synchronous_commit is remote_apply for the role looker");
    pg_run(owner, "SET synchronous_commit = local; ALTER ROLE looker SET synchronous_commit = remote_write");
    EXAMINE(0, "--older-than", "60");
    expect_finding("server.settings", "warning", "synchronous_commit is remote_write for the role looker");
    pg_run(owner, "ALTER SYSTEM RESET synchronous_standby_names");
    pg_run(owner, "SELECT pg_reload_conf()");
    assert_true(wait_until(is_set, &(server_setting){"synchronous_standby_names", ""}, SOON_MS));
    pg_run(owner, "ALTER ROLE looker RESET ALL");
}

static void a_sequence_that_does_not_count_by_one_is_told(void **state)
{
    (void)state;
    set_up("sequence");
    pg_run(owner, "ALTER SEQUENCE postbus.outbox_id_seq CACHE 10");
    EXAMINE(4, "--older-than", "60");
    expect_finding("outbox.sequence", "error", "CACHE 10");
    pg_run(owner, "ALTER SEQUENCE postbus.outbox_id_seq CACHE 1 INCREMENT 2 CYCLE");
    EXAMINE(4, "--older-than", "60");
    expect_finding("outbox.sequence", "error", "INCREMENT 2, CYCLE");
}

static void triggers_rules_and_policies_that_are_not_ours_are_told(void **state)
{
    (void)state;
    set_up("triggers");
    pg_run(owner,
           "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
           "CREATE TRIGGER audit AFTER INSERT ON postbus.outbox FOR EACH STATEMENT EXECUTE FUNCTION "
           "public.nothing()");
    EXAMINE(0, "--older-than", "60");
    expect_finding("outbox.triggers", "warning", "the trigger audit on postbus.outbox is not ours");
    pg_run(owner, "CREATE TRIGGER meddle BEFORE INSERT ON postbus.outbox_3 FOR EACH ROW EXECUTE FUNCTION "
                  "public.nothing();"
                  "CREATE RULE silence AS ON DELETE TO postbus.outbox DO INSTEAD NOTHING;"
                  "ALTER TABLE postbus.outbox_7 ENABLE ROW LEVEL SECURITY;"
                  "ALTER TABLE postbus.outbox DISABLE TRIGGER ring");
    EXAMINE(4, "--older-than", "60");
    expect_finding("outbox.triggers", "error", "the trigger meddle on postbus.outbox_3 is not ours");
    expect_finding("outbox.triggers", "error", "the rule silence on postbus.outbox is not ours");
    expect_finding("outbox.triggers", "error", "row-level security is on for postbus.outbox_7");
    expect_finding("outbox.triggers", "error", "our trigger ring on postbus.outbox does not fire");
    pg_run(owner, "DROP TRIGGER ring ON postbus.outbox");
    EXAMINE(4, "--older-than", "60");
    expect_finding("outbox.triggers", "error", "the trigger ring is missing");
}

static void a_ring_that_comes_round_to_events_is_told(void **state)
{
    (void)state;
    set_up("ring");
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', (1::bigint << 30) - 100)");
    EXAMINE(0, "--older-than", "60");
    expect_finding("outbox.ring", "ok", "leaf 0 of 0 to 15 is 99 % full; the next one, 1, is empty");
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', (1::bigint << 30) + 5)");
    pg_run(owner, "SELECT postbus.publish('t', 'v')");
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', (16::bigint << 30) + (1 << 29))");
    EXAMINE(4, "--older-than", "60");
    expect_finding("outbox.ring", "ok",
                   "leaf 0 of 0 to 15 is 50 % full; the next one, 1, still holds events");
    pg_run(owner, "SELECT setval('postbus.outbox_id_seq', (17::bigint << 30) - 100)");
    EXAMINE(4, "--older-than", "60");
    expect_finding("outbox.ring", "warning", "the next one, 1, still holds events");
}

static void transactions_that_hold_events_back_are_told_with_their_age(void **state)
{
    (void)state;
    set_up("transactions");
    char *as_superuser = pg_fixture_conninfo(stage_pg, "transactions", NULL);
    PGconn *open = stage_connect(), *idle = stage_connect();
    pg_run(owner, "BEGIN; SET LOCAL postbus.ring = off; SELECT postbus.publish('t', 'v'); PREPARE "
                  "TRANSACTION 'left behind'");
    pg_run(open, "SET application_name = 'slow shop'; BEGIN; SELECT postbus.publish('t', 'v')");
    pg_run(idle, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    char text[300];
    EXAMINE(0, "--database", as_superuser, "--older-than", "0");
    expect_finding("transactions.prepared", "warning",
                   "'left behind' of postgres in the database transactions is prepared for ");
    expect_finding("transactions.prepared", "warning", " s and has published events");
    snprintf(
        text, sizeof text,
        "the session %d of postgres (slow shop) in the database transactions has a transaction open for ",
        PQbackendPID(open));
    expect_finding("transactions.open", "warning", text);
    expect_finding("transactions.open", "warning", " s and has published events");
    snprintf(text, sizeof text, "the session %d of postgres", PQbackendPID(idle));
    expect_finding("transactions.open", "warning", text);
    EXAMINE(0, "--older-than", "3600");
    expect_finding("transactions.prepared", "ok", "none");
    expect_finding("transactions.open", "ok", "none");
    EXAMINE(0, "--older-than", "0");
    expect_finding("transactions.open", "warning", text);
    pg_run(owner, "REVOKE pg_read_all_stats FROM relay");
    EXAMINE(0, "--older-than", "0");
    expect_finding("transactions.open", "warning", "the role relay lacks pg_read_all_stats");
    pg_run(owner, "GRANT pg_monitor TO relay");
    EXAMINE(0, "--older-than", "3600");
    expect_finding("transactions.open", "ok", "none");
    pg_run(owner, "REVOKE pg_monitor FROM relay");
    pg_run(owner, "ROLLBACK PREPARED 'left behind'");
    PQfinish(open);
    PQfinish(idle);
    free(as_superuser);
}

static void a_backlog_without_a_leader_is_told(void **state)
{
    (void)state;
    set_up("leading");
    pg_run(owner, "SELECT postbus.publish('t', 'v')");
    EXAMINE(4, "--older-than", "0");
    expect_finding("relay.leading", "error", "no relay leads, and 1 events are pending, 0 parked");
    expect_finding("relay.backlog", "warning", "1 events are pending");
    PGconn *thief = stage_connect();
    pg_run(thief, "SELECT pg_advisory_lock(%lld)", SQL_LOCK_LEADER);
    EXAMINE(0, "--older-than", "60");
    expect_finding("relay.leading", "warning", "which is no relay");
    pg_run(thief, "SET application_name = 'postbus-relay'");
    EXAMINE(0, "--older-than", "60");
    expect_finding("relay.leading", "warning", "is taking the lead");
    pg_run(thief, "INSERT INTO postbus.leadership (relay, backend) VALUES ('berta:7', pg_backend_pid())");
    EXAMINE(0, "--older-than", "60");
    expect_finding("relay.leading", "ok", "berta:7 leads");
    PQfinish(thief);
}

static void parked_events_are_told_by_topic_and_reason(void **state)
{
    (void)state;
    set_up("parked");
    pg_run(owner, "INSERT INTO postbus.parked (id, topic, reason) SELECT i, 'orders', 'the topic does not "
                  "exist' FROM generate_series(1, 3) i");
    EXAMINE(4, "--older-than", "60");
    expect_finding("events.parked", "warning", "3 events of the topic orders since 20");
    expect_finding("events.parked", "warning", "the topic does not exist");
    stage_expect(4, POSTBUS("doctor"));
    stage_says("postbus parked list");
    expect_finding("relay.leading", "error", "3 parked");
}

static void a_restored_database_and_a_standby_are_told(void **state)
{
    (void)state;
    set_up("primary");
    pg_fixture *standby = pg_fixture_new_standby(stage_pg);
    char *on_standby = pg_fixture_conninfo(standby, "primary", "relay");
    EXAMINE(0, "--database", on_standby);
    expect_finding("server.primary", "warning", "a standby");
    EXAMINE(0, "--older-than", "60");
    expect_finding("server.replication", "warning",
                   "1 standbys follow, and synchronous_standby_names is empty");
    pg_fixture_free(standby);
    free(on_standby);
    pg_run(owner, "UPDATE postbus.instance SET system_identifier = 1");
    EXAMINE(4, "--older-than", "60");
    expect_finding("server.primary", "error", "restored or moved");
}

static proc_fixture *start_pooler(const char *directory)
{
    char path[200], text[1000];
    assert_int_equal(mkdir(directory, 0777), 0);
    assert_int_equal(chmod(directory, 0777), 0);
    snprintf(path, sizeof path, "%s/users", directory);
    text_file_write(path, "\"relay\" \"\"\n");
    snprintf(path, sizeof path, "%s/pgbouncer.ini", directory);
    snprintf(text, sizeof text,
             "[databases]\npooled = host=%s port=%d dbname=pooled\n[pgbouncer]\nunix_socket_dir = "
             "%s\nlisten_addr =\n"
             "listen_port = %d\nauth_type = trust\nauth_file = %s/users\npool_mode = transaction\n",
             pg_fixture_directory(stage_pg), pg_fixture_port(stage_pg), directory, POOLER_PORT, directory);
    text_file_write(path, text);
    const char *const argv[] = {"setpriv",
                                "--reuid=postgres",
                                "--regid=postgres",
                                "--init-groups",
                                "--pdeathsig=KILL",
                                "pgbouncer",
                                path,
                                NULL};
    proc_fixture *pooler = proc_fixture_start(geteuid() == 0 ? argv : argv + 5, NULL);
    proc_fixture_expect_log(pooler, "process up", SOON_MS);
    return pooler;
}

static void a_pooler_in_between_is_told(void **state)
{
    (void)state;
    char directory[120], conninfo[300];
    set_up("pooled");
    snprintf(directory, sizeof directory, "%s/pooler", pg_fixture_directory(stage_pg));
    proc_fixture *pooler = start_pooler(directory);
    snprintf(conninfo, sizeof conninfo, "host=%s port=%d dbname=pooled user=relay", directory, POOLER_PORT);
    EXAMINE(4, "--database", conninfo);
    expect_finding("database.direct", "error", "pooler");
    expect_finding("role.privileges", "ok", "the role relay");
    proc_fixture_free(pooler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_set_up_has_no_fault_and_says_what_was_not_looked_at),
        cmocka_unit_test(without_a_database_the_rest_is_skipped),
        cmocka_unit_test(a_schema_that_is_missing_old_or_new_is_told),
        cmocka_unit_test(a_role_that_lacks_rights_or_has_all_is_told),
        cmocka_unit_test(settings_that_can_undo_a_commit_are_told),
        cmocka_unit_test(commits_that_wait_too_little_or_too_long_for_standbys_are_told),
        cmocka_unit_test(a_sequence_that_does_not_count_by_one_is_told),
        cmocka_unit_test(triggers_rules_and_policies_that_are_not_ours_are_told),
        cmocka_unit_test(a_ring_that_comes_round_to_events_is_told),
        cmocka_unit_test(transactions_that_hold_events_back_are_told_with_their_age),
        cmocka_unit_test(a_backlog_without_a_leader_is_told),
        cmocka_unit_test(parked_events_are_told_by_topic_and_reason),
        cmocka_unit_test(a_restored_database_and_a_standby_are_told),
        cmocka_unit_test(a_pooler_in_between_is_told),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
