/* Database sessions of the load; they must never hide whether a statement succeeded. */
#include "session.h"

#include <stdlib.h>
#include <time.h>

/* Warnings of PostgreSQL about what the load does on purpose are not for the report. */
static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static PGconn *connect_once(const char *database, const char *application)
{
    const char *const names[] = {"dbname", "application_name", "connect_timeout", NULL};
    const char *const values[] = {database, application, "5", NULL};
    PGconn *conn = PQconnectdbParams(names, values, 1);

    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    if (PQstatus(conn) == CONNECTION_OK)
        return conn;
    PQfinish(conn);
    return NULL;
}

bool session_ready(session *s)
{
    if (s->conn && PQstatus(s->conn) == CONNECTION_OK && PQtransactionStatus(s->conn) == PQTRANS_IDLE)
        return true;
    session_close(s);
    do {
        s->conn = connect_once(s->stage->plan->database, s->application);
        /* Hot keys are locked in any order on purpose; a deadlock must not idle a second before it is found.
         */
        if (s->conn && SESSION_RUN(s, "SET deadlock_timeout = '20ms'")) {
            s->reconnects++;
            return true;
        }
        session_close(s);
    } while (stage_pause(s->stage, 20 + dice_below(&s->dice, 100)));
    return false;
}

void session_close(session *s)
{
    PQfinish(s->conn);
    s->conn = NULL;
}

bool session_run(session *s, const char *sql, int n_values, const char *const *values)
{
    PGresult *r = PQexecParams(s->conn, sql, n_values, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(r);

    PQclear(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool session_number(session *s, const char *sql, int n_values, const char *const *values, int64_t *out)
{
    PGresult *r = PQexecParams(s->conn, sql, n_values, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0 && !PQgetisnull(r, 0, 0);

    if (ok)
        *out = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return ok;
}

PGconn *session_connect_by(const char *database, const char *application, int64_t deadline_ms)
{
    for (;;) {
        PGconn *conn = connect_once(database, application);

        if (conn || now_ms() >= deadline_ms)
            return conn;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}
