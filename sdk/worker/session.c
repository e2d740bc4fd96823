/* Holds a connection to PostgreSQL; must never go on with one in a state that it does not know. */
#include "session.h"

#include <stdio.h>
#include <string.h>

#include "failure.h"
#include "postbus_sql.h"

static void silence(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

bool sqlstate_is_transient(const char *sqlstate)
{
    return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

/* A reason in one line: what libpq says may have several. */
static void one_line(const char *text, char *out, size_t size)
{
    snprintf(out, size, "%s", text);
    for (char *c = out; *c; c++)
        if (*c == '\n')
            *c = ' ';
    for (size_t n = strlen(out); n > 0 && out[n - 1] == ' '; n--)
        out[n - 1] = '\0';
}

static pbus_status status_of(const char *sqlstate)
{
    if (strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42883") == 0 || strcmp(sqlstate, "42P01") == 0)
        return PBUS_ERROR_SCHEMA;
    if (strcmp(sqlstate, "42501") == 0)
        return PBUS_ERROR_PERMISSION;
    return strcmp(sqlstate, "25006") == 0 ? PBUS_ERROR_READ_ONLY : PBUS_ERROR_DATABASE;
}

pbus_status session_failure(const session *s, const PGresult *result, pbus_error *err)
{
    char message[800];
    const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *said = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    one_line(said ? said : PQerrorMessage(s->conn), message, sizeof message);
    if (!s->conn || PQstatus(s->conn) != CONNECTION_OK || !sqlstate)
        return failure_sql(err, PBUS_ERROR_CONNECTION, sqlstate, true,
                           "the connection to PostgreSQL is lost: %s", message);
    pbus_status status = status_of(sqlstate);
    return failure_sql(err, status, sqlstate, sqlstate_is_transient(sqlstate), "%s%s", message,
                       status == PBUS_ERROR_SCHEMA ? "; run postbus migrate --subscriber" : "");
}

static PGconn *connect(const char *conninfo)
{
    /* What the connection string says comes later, and wins. */
    const char *keywords[] = {"connect_timeout",
                              "keepalives_idle",
                              "keepalives_interval",
                              "keepalives_count",
                              "tcp_user_timeout",
                              "dbname",
                              NULL};
    const char *values[] = {"10", "5", "2", "3", "15000", conninfo, NULL};
    return PQconnectdbParams(keywords, values, 1);
}

pbus_status session_configure(session *s, const char *name, int64_t statement_timeout_ms, pbus_error *err)
{
    char limit[64], label[200];
    snprintf(label, sizeof label, "SET application_name = '%s'", name);
    snprintf(limit, sizeof limit, "SET statement_timeout = %lld", (long long)statement_timeout_ms);
    PQsetNoticeReceiver(s->conn, silence, NULL);
    PQsetErrorVerbosity(s->conn, PQERRORS_VERBOSE);
    pbus_status status = session_execute(s, subscriber_sql_query("session"), err);
    if (status == PBUS_OK)
        status = session_execute(s, label, err);
    if (status == PBUS_OK)
        status = session_execute(s, limit, err);
    if (status != PBUS_OK)
        session_close(s);
    return status;
}

pbus_status session_connect(session *s, const char *conninfo, pbus_error *err)
{
    char message[800];
    session_close(s);
    s->conn = connect(conninfo);
    if (!s->conn)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a connection");
    if (PQstatus(s->conn) != CONNECTION_OK) {
        one_line(PQerrorMessage(s->conn), message, sizeof message);
        session_close(s);
        return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true, "%s", message);
    }
    return PBUS_OK;
}

pbus_status session_open(session *s, const char *conninfo, const char *name, int64_t statement_timeout_ms,
                         pbus_error *err)
{
    pbus_status status = session_connect(s, conninfo, err);
    return status == PBUS_OK ? session_configure(s, name, statement_timeout_ms, err) : status;
}

void session_close(session *s)
{
    PQfinish(s->conn);
    *s = (session){0};
}

pbus_status session_execute(session *s, const char *sql, pbus_error *err)
{
    PGresult *result = PQexec(s->conn, sql);
    ExecStatusType done = PQresultStatus(result);
    pbus_status status =
        done == PGRES_COMMAND_OK || done == PGRES_TUPLES_OK ? PBUS_OK : session_failure(s, result, err);
    PQclear(result);
    return status;
}

pbus_status session_make_durable(session *s, pbus_error *err)
{
    return session_execute(s,
                           "SELECT set_config('synchronous_commit', 'local', false) WHERE "
                           "current_setting('synchronous_commit') = 'off'",
                           err);
}

/* Nothing is known of this connection any more. */
static pbus_status lost(const session *s, pbus_error *err)
{
    return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true, "the connection to PostgreSQL is lost: %s",
                       PQerrorMessage(s->conn));
}

static int send_one(session *s, const statement *one)
{
    if (one->name && s->prepared)
        return PQsendQueryPrepared(s->conn, one->name, one->n_params, one->values, one->lengths, one->formats,
                                   one->result_format);
    return PQsendQueryParams(s->conn, one->sql, one->n_params, one->types, one->values, one->lengths,
                             one->formats, one->result_format);
}

static bool send_all(session *s, const statement *statements, size_t n)
{
    if (!PQenterPipelineMode(s->conn))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!send_one(s, &statements[i]))
            return false;
    return PQpipelineSync(s->conn) == 1;
}

/* The result of the next command; what else came of it is dropped. Nothing follows a Sync. */
static PGresult *next_result(session *s)
{
    PGresult *result = PQgetResult(s->conn), *more;
    while (result && PQresultStatus(result) != PGRES_PIPELINE_SYNC && (more = PQgetResult(s->conn)) != NULL)
        PQclear(more);
    return result;
}

static pbus_status first_fault(session *s, PGresult *const *results, size_t n, pbus_error *err)
{
    for (size_t i = 0; i < n; i++) {
        ExecStatusType done = PQresultStatus(results[i]);
        if (done == PGRES_COMMAND_OK || done == PGRES_TUPLES_OK)
            continue;
        const char *sqlstate = PQresultErrorField(results[i], PG_DIAG_SQLSTATE);
        if (sqlstate && strcmp(sqlstate, SESSION_FORGOTTEN) == 0)
            s->prepared = false;
        return session_failure(s, results[i], err);
    }
    return PBUS_OK;
}

static pbus_status run_once(session *s, const statement *statements, size_t n, PGresult **out,
                            pbus_error *err)
{
    memset(out, 0, n * sizeof *out);
    bool ok = send_all(s, statements, n);
    for (size_t i = 0; ok && i < n; i++) {
        out[i] = next_result(s);
        s->out_of_step = PQresultStatus(out[i]) == PGRES_PIPELINE_SYNC;
        ok = out[i] && !s->out_of_step;
    }
    PGresult *sync = ok ? PQgetResult(s->conn) : NULL;
    ok = ok && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    ok = ok && PQexitPipelineMode(s->conn) == 1;
    if (s->out_of_step)
        return failure(err, PBUS_ERROR_CONNECTION,
                       "a pipeline was left with an error in it, and without a Sync");
    pbus_status status = first_fault(s, out, n, err);
    return status != PBUS_OK || ok ? status : lost(s, err);
}

pbus_status session_run(session *s, const statement *statements, size_t n, PGresult **out, pbus_error *err)
{
    bool outside = s->prepared && PQtransactionStatus(s->conn) == PQTRANS_IDLE;
    pbus_status status = run_once(s, statements, n, out, err);
    bool forgotten = outside && !s->prepared;
    if (!forgotten || PQtransactionStatus(s->conn) != PQTRANS_IDLE)
        return status; /* of what ended a transaction, that end may have come before what failed */
    for (size_t i = 0; i < n; i++)
        PQclear(out[i]);
    return run_once(s, statements, n, out, err);
}

pbus_status session_prepare(session *s, const statement *statements, size_t n, pbus_error *err)
{
    pbus_status status = PBUS_OK;
    for (size_t i = 0; status == PBUS_OK && i < n; i++) {
        PGresult *result = PQprepare(s->conn, statements[i].name, statements[i].sql, 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            status = session_failure(s, result, err);
        PQclear(result);
    }
    s->prepared = status == PBUS_OK;
    return status;
}
