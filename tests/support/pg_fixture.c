/* Brings up private PostgreSQL servers by the script pg-cluster; never touches one it did not start. */
#include "pg_fixture.h"

#include "cmocka_all.h"
#include "pg_query.h"
#include "postbus_sql.h"
#include "proc_fixture.h"
#include "wait_until.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT POSTBUS_SUPPORT_DIR "/pg-cluster"
#define BINARIES_SCRIPT POSTBUS_SUPPORT_DIR "/postgres-binaries"

enum {
    READY_DEADLINE_MS = 300000,
    STOP_DEADLINE_MS = 180000,
    SHELL_DEADLINE_MS = 300000,
    HOLD_DEADLINE_MS = 120000,
    MAX_ARGUMENTS = 80
};

struct pg_fixture {
    proc_fixture *server;
    int port;
    int version;
    char directory[64];
    char log_path[96];
};

static pg_fixture *new_directory(void)
{
    pg_fixture *pg = calloc(1, sizeof *pg);
    if (!pg)
        fail_msg("no memory for a server");
    /* Not under TMPDIR: a socket's path must be short, and the user postgres must be let through. */
    const char *folder = getenv("POSTBUS_TEST_TMP");
    snprintf(pg->directory, sizeof pg->directory, "%s/postbus-pg.XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(pg->directory))
        fail_msg("mkdtemp %s failed", pg->directory);
    snprintf(pg->log_path, sizeof pg->log_path, "%s/server.log", pg->directory);
    return pg;
}

static void run_script(const char *const *argv)
{
    char *text = NULL;
    if (proc_fixture_run(argv, NULL, &text, READY_DEADLINE_MS) != 0) {
        print_error("%s", text);
        fail_msg("%s %s failed", argv[0], argv[1]);
    }
    free(text);
}

static void read_port(pg_fixture *pg)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/port", pg->directory);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%d", &pg->port) != 1)
        fail_msg("%s holds no port", path);
    fclose(file);
}

pg_fixture *pg_fixture_new(const char *const *settings)
{
    return pg_fixture_new_of(NULL, settings);
}

pg_fixture *pg_fixture_new_of(const char *bin, const char *const *settings)
{
    pg_fixture *pg = new_directory();
    const char *argv[MAX_ARGUMENTS] = {SCRIPT, "init", pg->directory, bin ? "--bin" : NULL, bin};
    for (size_t n = bin ? 5 : 3; settings && *settings; settings++) {
        assert_true(n + 2 < MAX_ARGUMENTS);
        argv[n++] = "--set";
        argv[n++] = *settings;
    }
    run_script(argv);
    read_port(pg);
    pg_fixture_start(pg);
    return pg;
}

char *pg_fixture_whole_bin(const char *version)
{
    char *said = NULL;
    if (proc_fixture_run((const char *const[]){BINARIES_SCRIPT, "--whole", version, NULL}, NULL, &said,
                         READY_DEADLINE_MS) != 0) {
        print_message("%s", said);
        free(said);
        return NULL;
    }
    said[strcspn(said, "\n")] = 0;
    return said;
}

pg_fixture *pg_fixture_new_backup(const pg_fixture *primary)
{
    pg_fixture *pg = new_directory();
    run_script((const char *const[]){SCRIPT, "standby", pg->directory, "--of", primary->directory, NULL});
    read_port(pg);
    return pg;
}

pg_fixture *pg_fixture_new_standby(const pg_fixture *primary)
{
    pg_fixture *pg = pg_fixture_new_backup(primary);
    pg_fixture_start(pg);
    return pg;
}

void pg_fixture_configure(const pg_fixture *pg, const char *name, const char *value)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/data/postgresql.conf", pg->directory);
    FILE *file = fopen(path, "a");
    if (!file || fprintf(file, "%s = '%s'\n", name, value) < 0 || fclose(file) != 0)
        fail_msg("%s cannot be written", path);
}

void pg_fixture_promote(const pg_fixture *pg)
{
    PGconn *conn = pg_fixture_connect(pg, NULL, NULL);
    pg_expect(conn, "t", "SELECT pg_promote(true, 120)");
    PQfinish(conn);
}

int pg_fixture_shell(const pg_fixture *pg, const char *line)
{
    char directory[80], whole[2048], *said = NULL;
    snprintf(directory, sizeof directory, "DIR=%s", pg->directory);
    snprintf(whole, sizeof whole, "BIN=$(cat $DIR/bin); cd $DIR; %s", line);
    const char *const as_root[] = {
        "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "bash", "-c", whole, NULL};
    int code = proc_fixture_run(geteuid() == 0 ? as_root : as_root + 4,
                                (const char *const[]){directory, NULL}, &said, SHELL_DEADLINE_MS);
    if (code != 0 && *said)
        print_message("%s: %s", line, said);
    free(said);
    return code;
}

typedef struct ready_wait {
    pg_fixture *pg;
    char *conninfo;
} ready_wait;

static bool ready_or_ended(void *arg)
{
    ready_wait *wait = arg;
    return !proc_fixture_running(wait->pg->server) || PQping(wait->conninfo) == PQPING_OK;
}

void pg_fixture_start(pg_fixture *pg)
{
    if (pg->server)
        return;
    /* SIGQUIT, so that the server takes its own children with it. */
    const proc_fixture_options options = {.log_path = pg->log_path, .death_signal = SIGQUIT};
    pg->server = proc_fixture_start((const char *const[]){SCRIPT, "run", pg->directory, NULL}, &options);
    ready_wait wait = {.pg = pg, .conninfo = pg_fixture_conninfo(pg, NULL, NULL)};
    wait_until(ready_or_ended, &wait, READY_DEADLINE_MS);
    bool ready = PQping(wait.conninfo) == PQPING_OK;
    free(wait.conninfo);
    if (!ready) {
        char *log = proc_fixture_log(pg->server);
        print_error("%s", log);
        free(log);
        fail_msg("the server of %s did not start", pg->directory);
    }
    PGconn *conn = pg_fixture_connect(pg, NULL, NULL);
    pg->version = PQserverVersion(conn);
    PQfinish(conn);
}

void pg_fixture_stop(pg_fixture *pg, pg_fixture_stop_mode mode)
{
    if (!pg->server)
        return;
    proc_fixture_end(pg->server, mode == PG_STOP_FAST ? SIGINT : SIGQUIT, STOP_DEADLINE_MS);
    proc_fixture_free(pg->server);
    pg->server = NULL;
}

void pg_fixture_restart(pg_fixture *pg, pg_fixture_stop_mode mode)
{
    pg_fixture_stop(pg, mode);
    pg_fixture_start(pg);
}

/* Which sessions the server ended, and why: their clients are not always told. */
static void print_ends_of_sessions(const pg_fixture *pg)
{
    char line[400];
    FILE *file = fopen(pg->log_path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strstr(line, "FATAL:") || strstr(line, "could not send") || strstr(line, "could not receive"))
            fputs(line, stderr);
    if (file)
        fclose(file);
}

void pg_fixture_free(pg_fixture *pg)
{
    if (!pg)
        return;
    if (pg->server && proc_fixture_has_company(pg->server))
        print_ends_of_sessions(pg);
    pg_fixture_stop(pg, PG_STOP_IMMEDIATE);
    proc_fixture_run((const char *const[]){"rm", "-rf", pg->directory, NULL}, NULL, NULL, STOP_DEADLINE_MS);
    free(pg);
}

int pg_fixture_port(const pg_fixture *pg)
{
    return pg->port;
}

const char *pg_fixture_directory(const pg_fixture *pg)
{
    return pg->directory;
}

int pg_fixture_version(const pg_fixture *pg)
{
    return pg->version;
}

char *pg_fixture_conninfo(const pg_fixture *pg, const char *database, const char *role)
{
    char *text = NULL;
    if (asprintf(&text, "host=%s port=%d dbname=%s user=%s", pg->directory, pg->port,
                 database ? database : "postgres", role ? role : "postgres") < 0)
        fail_msg("no memory for a connection string");
    return text;
}

static void ignore_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

PGconn *pg_fixture_connect(const pg_fixture *pg, const char *database, const char *role)
{
    char *conninfo = pg_fixture_conninfo(pg, database, role);
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s: %s", conninfo, PQerrorMessage(conn));
    free(conninfo);
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    return conn;
}

void pg_fixture_create_database(const pg_fixture *pg, const char *database)
{
    PGconn *conn = pg_fixture_connect(pg, NULL, NULL);
    char *name = PQescapeIdentifier(conn, database, strlen(database));
    pg_run(conn, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    pg_run(conn, "CREATE DATABASE %s TEMPLATE template0", name);
    PQfreemem(name);
    PQfinish(conn);
}

void pg_fixture_migrate_over(PGconn *conn)
{
    for (const sql_migration *step = sql_migrations; step->name; step++) {
        pg_run(conn, "BEGIN");
        pg_run(conn, "%s", step->text);
        pg_run(conn, "COMMIT");
    }
}

void pg_fixture_migrate(const pg_fixture *pg, const char *database)
{
    PGconn *conn = pg_fixture_connect(pg, database, NULL);
    pg_fixture_migrate_over(conn);
    PQfinish(conn);
}

void pg_fixture_create_outbox(const pg_fixture *pg, const char *database)
{
    pg_fixture_create_database(pg, database);
    pg_fixture_migrate(pg, database);
}

static void set_standbys(PGconn *conn, const char *names)
{
    pg_run(conn, "ALTER SYSTEM SET synchronous_standby_names = '%s'", names);
    pg_run(conn, "SELECT pg_reload_conf()");
}

typedef struct probe {
    PGconn *conn, *other;
} probe;

static bool commit_waits(void *arg)
{
    const probe *p = arg;
    PQconsumeInput(p->conn);
    if (!PQisBusy(p->conn)) {
        for (PGresult *res; (res = PQgetResult(p->conn));)
            PQclear(res);
        PQsendQuery(p->conn, "SELECT pg_logical_emit_message(true, 'probe', '')");
    }
    return pg_number(p->other,
                     "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event = 'SyncRep'",
                     PQbackendPID(p->conn)) == 1;
}

/* The setting holds from when the checkpointer has read it, not from when it was reloaded. */
void pg_fixture_hold_commits(const pg_fixture *pg)
{
    probe p = {pg_fixture_connect(pg, NULL, NULL), pg_fixture_connect(pg, NULL, NULL)};
    set_standbys(p.other, "nobody");
    assert_true(wait_until(commit_waits, &p, HOLD_DEADLINE_MS));
    PQfinish(p.conn);
    PQfinish(p.other);
}

void pg_fixture_release_commits(const pg_fixture *pg)
{
    PGconn *conn = pg_fixture_connect(pg, NULL, NULL);
    set_standbys(conn, "");
    PQfinish(conn);
}
