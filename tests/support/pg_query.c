/* Runs SQL for tests and fails them with the server's words; never used by the program itself. */
#include "pg_query.h"

#include "cmocka_all.h"
#include "wait_until.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGresult *execute(PGconn *conn, const char *sql, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, sql, arguments) < 0)
        fail_msg("no memory for a statement");
    PGresult *result = PQexec(conn, text);
    free(text);
    return result;
}

static void expect_success(PGconn *conn, PGresult *result, const char *sql)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        fail_msg("%.200s: %s", sql, PQerrorMessage(conn));
}

void pg_run(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute(conn, sql, arguments);
    va_end(arguments);
    expect_success(conn, result, sql);
    PQclear(result);
}

PGresult *pg_rows(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute(conn, sql, arguments);
    va_end(arguments);
    expect_success(conn, result, sql);
    return result;
}

/* Consumes the result. */
static char *only_value(PGconn *conn, PGresult *result, const char *sql)
{
    expect_success(conn, result, sql);
    if (PQntuples(result) != 1)
        fail_msg("%.200s: %d rows, not one", sql, PQntuples(result));
    char *text = PQgetisnull(result, 0, 0) ? NULL : strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

char *pg_text(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute(conn, sql, arguments);
    va_end(arguments);
    return only_value(conn, result, sql);
}

int64_t pg_number(PGconn *conn, const char *sql, ...)
{
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute(conn, sql, arguments);
    va_end(arguments);
    char *text = only_value(conn, result, sql);
    int64_t number = text ? strtoll(text, NULL, 10) : -1;
    free(text);
    return number;
}

const char *pg_refused(PGconn *conn, const char *sql, ...)
{
    static char state[8];
    va_list arguments;
    va_start(arguments, sql);
    PGresult *result = execute(conn, sql, arguments);
    va_end(arguments);
    const char *found = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(state, sizeof state, "%s", found ? found : "");
    PQclear(result);
    return state;
}

typedef struct backend_wait {
    PGconn *conn;
    int backend;
} backend_wait;

static bool is_gone(void *arg)
{
    backend_wait *wait = arg;
    return pg_number(wait->conn, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", wait->backend) == 0;
}

void pg_end_backend(PGconn *conn, int backend)
{
    enum { GONE_DEADLINE_MS = 30000 };
    backend_wait wait = {.conn = conn, .backend = backend};
    /* Its second argument, which waits, came with PostgreSQL 14. */
    pg_run(conn, "SELECT pg_terminate_backend(%d)", backend);
    if (!wait_until(is_gone, &wait, GONE_DEADLINE_MS))
        fail_msg("backend %d does not end", backend);
}
