/* A connection of the worker's own. */
#ifndef POSTBUS_WORKER_SESSION_H
#define POSTBUS_WORKER_SESSION_H

#include <libpq-fe.h>
#include <postbus/error.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct session {
    PGconn *conn;  /* NULL: not connected */
    bool prepared; /* statements with a name are known to the server by it */
    bool
        out_of_step; /* it heeded nothing of what was sent last, since somebody had left a pipeline without a Sync: of no use any more */
} session;

/* One of several commands that are sent together. */
typedef struct statement {
    const char *name; /* under which it may have been prepared; NULL: it was not */
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
/* The same in two steps, for who wants to be able to shut the connection before it has answered anything. A failure leaves it closed. */
PBUS_MUST_USE pbus_status session_connect(session *s, const char *conninfo, pbus_error *err);
PBUS_MUST_USE pbus_status session_configure(session *s, const char *name, int64_t statement_timeout_ms,
                                            pbus_error *err);
void session_close(session *s);

/* Where synchronous_commit is off now, what this session commits is on disk from now on, and with it what others committed before. */
PBUS_MUST_USE pbus_status session_make_durable(session *s, pbus_error *err);

/* Prepares n statements, which run for less by their names from then on. */
PBUS_MUST_USE pbus_status session_prepare(session *s, const statement *statements, size_t n, pbus_error *err);

/* Sends n commands at once and waits for their results, which are the caller's to clear. What follows one that failed was not run. Where the server
 * has forgotten what was prepared (SESSION_FORGOTTEN; a handler may DEALLOCATE ALL) nothing goes by name any more; outside a transaction that is
 * mended at once, in one the transaction has failed. */
PBUS_MUST_USE pbus_status session_run(session *s, const statement *statements, size_t n, PGresult **out,
                                      pbus_error *err);
#define SESSION_FORGOTTEN "26000"

/* A command without parameters, or the beginning and end of a transaction. */
PBUS_MUST_USE pbus_status session_execute(session *s, const char *sql, pbus_error *err);

/* Fills err from what PostgreSQL reported, and returns the status. */
PBUS_MUST_USE pbus_status session_failure(const session *s, const PGresult *result, pbus_error *err);

/* A deadlock or a serialization failure. */
bool sqlstate_is_transient(const char *sqlstate);

#endif
