/* A connection of the worker's own. */
#ifndef POSTBUS_WORKER_SESSION_H
#define POSTBUS_WORKER_SESSION_H

#include <libpq-fe.h>
#include <postbus/error.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct session {
    PGconn *conn; /* NULL: not connected */
} session;

/* One of several commands that are sent together. */
typedef struct statement {
    const char *sql;
    int n_params;
    const Oid *types; /* may be NULL */
    const char *const *values;
    const int *lengths, *formats; /* may be NULL: text */
    int result_format;
} statement;

/* Connects and sets what a worker needs. name: the application_name, of letters that need no quotes. statement_timeout_ms 0: none. A failure leaves it closed. */
PBUS_MUST_USE pbus_status session_open(session *s, const char *conninfo, const char *name,
                                       int64_t statement_timeout_ms, pbus_error *err);
void session_close(session *s);

/* Sends n commands at once and waits for their results, which are the caller's to clear. What follows one that failed was
 * not run. */
PBUS_MUST_USE pbus_status session_run(session *s, const statement *statements, size_t n, PGresult **out,
                                      pbus_error *err);

/* A command without parameters, or the beginning and end of a transaction. */
PBUS_MUST_USE pbus_status session_execute(session *s, const char *sql, pbus_error *err);

/* Fills err from what PostgreSQL reported, and returns the status. */
PBUS_MUST_USE pbus_status session_failure(const session *s, const PGresult *result, pbus_error *err);

/* A deadlock or a serialization failure. */
bool sqlstate_is_transient(const char *sqlstate);

#endif
