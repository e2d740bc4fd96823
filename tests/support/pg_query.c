/* Runs SQL for tests and fails them with the server's words; never used by the program itself. */
#include "pg_query.h"

#include "cmocka_all.h"
#include "wait_until.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char last_sql[512]; /* what was executed last, for the words of a failure */

static PGresult *execute(PGconn *conn, const char *sql, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, sql, arguments) < 0)
        fail_msg("no memory for a statement");
    snprintf(last_sql, sizeof last_sql, "%s", text);
    PGresult *result = PQexec(conn, text);
    free(text);
    return result;
}

static PGresult *execute_well(PGconn *conn, const char *sql, va_list arguments)
{
    PGresult *result = execute(conn, sql, arguments);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        fail_msg("%s: %s", last_sql, PQerrorMessage(conn));
    return result;
}

void pg_run(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    PQclear(execute_well(conn, sql, arguments));
    va_end(arguments);
}

PGresult *pg_rows(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute_well(conn, sql, arguments);
    va_end(arguments);
    return result;
}

static char *only_value(PGconn *conn, const char *sql, va_list arguments)
{
    PGresult *result = execute_well(conn, sql, arguments);
    if (PQntuples(result) != 1)
        fail_msg("%s: %d rows, not one", last_sql, PQntuples(result));
    char *text = PQgetisnull(result, 0, 0) ? NULL : strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

char *pg_text(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    char *text = only_value(conn, sql, arguments);
    va_end(arguments);
    return text;
}

int64_t pg_number(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    char *text = only_value(conn, sql, arguments);
    va_end(arguments);
    int64_t number = text ? strtoll(text, NULL, 10) : -1;
    free(text);
    return number;
}

void pg_expect(PGconn *conn, const char *expected, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    char *text = only_value(conn, sql, arguments);
    va_end(arguments);
    if (expected && text ? strcmp(text, expected) != 0 : expected || text)
        fail_msg("%s: '%s' instead of '%s'", last_sql, text ? text : "NULL", expected ? expected : "NULL");
    free(text);
}

static void keep_field(const PGresult *result, int field, char *out, size_t out_size)
{
    const char *text = PQresultErrorField(result, field);
    snprintf(out, out_size, "%s", text ? text : "");
}

const char *pg_refused(PGconn *conn, const char *sql, ...)
{
    static char state[8];
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute(conn, sql, arguments);
    va_end(arguments);
    keep_field(result, PG_DIAG_SQLSTATE, state, sizeof state);
    PQclear(result);
    return state;
}

static pg_refusal refusal_of(PGconn *conn, const char *sql, va_list arguments)
{
    pg_refusal r;
    PGresult *result = execute(conn, sql, arguments);
    if (PQresultStatus(result) != PGRES_FATAL_ERROR)
        fail_msg("not refused: %s", last_sql);
    keep_field(result, PG_DIAG_SQLSTATE, r.sqlstate, sizeof r.sqlstate);
    keep_field(result, PG_DIAG_MESSAGE_PRIMARY, r.message, sizeof r.message);
    keep_field(result, PG_DIAG_MESSAGE_HINT, r.hint, sizeof r.hint);
    PQclear(result);
    return r;
}

pg_refusal pg_refusal_of(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    pg_refusal r = refusal_of(conn, sql, arguments);
    va_end(arguments);
    return r;
}

void pg_expect_refused(PGconn *conn, const char *sqlstate, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    pg_refusal r = refusal_of(conn, sql, arguments);
    va_end(arguments);
    if (strcmp(r.sqlstate, sqlstate) != 0)
        fail_msg("%s: refused with %s (%s) instead of %s", last_sql, r.sqlstate, r.message, sqlstate);
}

typedef struct backends_wait {
    PGconn *conn;
    const char *backends;
} backends_wait;

static bool are_gone(void *arg)
{
    const backends_wait *wait = arg;
    return pg_number(wait->conn, "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ('%s'::int[])",
                     wait->backends) == 0;
}

void pg_end_backends(PGconn *conn, const char *which)
{
    enum { GONE_DEADLINE_MS = 180000 };
    /* Its second argument, which waits, came with PostgreSQL 14. */
    char *backends = pg_text(conn,
                             "SELECT coalesce(array_agg(pid) FILTER (WHERE signalled), '{}') FROM (SELECT "
                             "pid, pg_terminate_backend(pid) AS signalled FROM pg_stat_activity WHERE pid <> "
                             "pg_backend_pid() AND %s) AS b",
                             which);
    backends_wait wait = {.conn = conn, .backends = backends};
    if (!wait_until(are_gone, &wait, GONE_DEADLINE_MS))
        fail_msg("of the backends %s some do not end", backends);
    free(backends);
}

void pg_end_backend(PGconn *conn, int backend)
{
    char which[32];
    snprintf(which, sizeof which, "pid = %d", backend);
    pg_end_backends(conn, which);
}
