/* Sets the stage for the tests of the schema; never touches a server that it did not start. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postbus_sql.h"

static char directory[64];
static char port[16];
static char bin[256];

bool stage_shell(const char *format, ...)
{
    char command[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return length > 0 && (size_t)length < sizeof command && system(command) == 0;
}

bool stage_cluster(const char *arguments)
{
    return stage_shell("'%s/pg-cluster' %s >/dev/null", POSTBUS_SUPPORT_DIR, arguments);
}

static void read_line(const char *name, char *out, size_t out_size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(out, (int)out_size, file));
    fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

int stage_start(void **state)
{
    (void)state;
    char arguments[128];
    snprintf(directory, sizeof directory, "/tmp/postbus-schema-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(arguments, sizeof arguments, "start %s --set fsync=off", directory);
    if (!stage_cluster(arguments))
        return -1;
    read_line("port", port, sizeof port);
    read_line("bin", bin, sizeof bin);
    PGconn *conn = stage_connect("postgres", "postgres");
    run(conn, "CREATE DATABASE main");
    PQfinish(conn);
    conn = stage_connect("postgres", "main");
    stage_migrate(conn);
    run(conn,
        "CREATE ROLE owner LOGIN SUPERUSER; CREATE ROLE publisher LOGIN IN ROLE postbus_publisher;"
        "CREATE ROLE viewer LOGIN IN ROLE postbus_viewer; CREATE ROLE relay LOGIN IN ROLE postbus_relay;"
        "CREATE ROLE stranger LOGIN; GRANT CREATE, TEMPORARY ON DATABASE main TO publisher, viewer, relay");
    PQfinish(conn);
    return 0;
}

int stage_stop(void **state)
{
    (void)state;
    char arguments[128];
    snprintf(arguments, sizeof arguments, "stop %s --mode immediate", directory);
    bool stopped = stage_cluster(arguments);
    return stopped && stage_shell("rm -rf '%s'", directory) ? 0 : -1;
}

const char *stage_socket(void)
{
    return directory;
}

const char *stage_port(void)
{
    return port;
}

const char *stage_bin(void)
{
    return bin;
}

static void no_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

PGconn *stage_connect(const char *user, const char *database)
{
    const char *names[] = {"host", "port", "user", "dbname", "client_encoding", NULL};
    const char *values[] = {directory, port, user, database, "UTF8", NULL};
    PGconn *conn = PQconnectdbParams(names, values, 0);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    PQsetNoticeReceiver(conn, no_notice, NULL);
    return conn;
}

void stage_migrate(PGconn *conn)
{
    for (const sql_migration *m = sql_migrations; m->name; m++) {
        run(conn, "BEGIN");
        PGresult *result = PQexec(conn, m->text);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            fail_msg("%s: %s", m->name, PQerrorMessage(conn));
        PQclear(result);
        run(conn, "COMMIT");
    }
}

static char last_sql[512]; /* of the statement last asked, for the words of a failure */

static PGresult *ask(PGconn *conn, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *sql = malloc((size_t)length + 1);
    assert_non_null(sql);
    vsnprintf(sql, (size_t)length + 1, format, args);
    snprintf(last_sql, sizeof last_sql, "%s", sql);
    PGresult *result = PQexec(conn, sql);
    free(sql);
    return result;
}

static PGresult *ask_well(PGconn *conn, const char *format, va_list args)
{
    PGresult *result = ask(conn, format, args);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", last_sql, PQresultErrorMessage(result));
    return result;
}

void run(PGconn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PQclear(ask_well(conn, format, args));
    va_end(args);
}

static char *first_value(PGconn *conn, const char *format, va_list args)
{
    PGresult *result = ask_well(conn, format, args);
    if (PQntuples(result) < 1)
        fail_msg("no row: %s", last_sql);
    char *value = PQgetisnull(result, 0, 0) ? NULL : strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

char *value_of(PGconn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *value = first_value(conn, format, args);
    va_end(args);
    return value;
}

int64_t number_of(PGconn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *value = first_value(conn, format, args);
    va_end(args);
    assert_non_null(value);
    int64_t number = strtoll(value, NULL, 10);
    free(value);
    return number;
}

void assert_value(PGconn *conn, const char *expected, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *value = first_value(conn, format, args);
    va_end(args);
    if (!expected || !value) {
        if (expected || value)
            fail_msg("%s: '%s' instead of '%s'", last_sql, value ? value : "NULL",
                     expected ? expected : "NULL");
    } else if (strcmp(value, expected) != 0) {
        fail_msg("%s: '%s' instead of '%s'", last_sql, value, expected);
    }
    free(value);
}

static refusal refusal_of(PGconn *conn, const char *format, va_list args)
{
    refusal r = {.sqlstate = ""};
    PGresult *result = ask(conn, format, args);
    if (PQresultStatus(result) != PGRES_FATAL_ERROR)
        fail_msg("not refused: %s", last_sql);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    snprintf(r.sqlstate, sizeof r.sqlstate, "%s", sqlstate ? sqlstate : "");
    snprintf(r.message, sizeof r.message, "%s", message ? message : PQresultErrorMessage(result));
    snprintf(r.hint, sizeof r.hint, "%s", hint ? hint : "");
    PQclear(result);
    return r;
}

refusal refused(PGconn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refusal r = refusal_of(conn, format, args);
    va_end(args);
    return r;
}

void assert_refused(PGconn *conn, const char *sqlstate, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refusal r = refusal_of(conn, format, args);
    va_end(args);
    if (strcmp(r.sqlstate, sqlstate) != 0)
        fail_msg("%s: refused with %s (%s) instead of %s", last_sql, r.sqlstate, r.message, sqlstate);
}
