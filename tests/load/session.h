/* One database session of a thread of the load: it comes back by itself after the server or the connection died.
 */
#ifndef POSTBUS_LOAD_SESSION_H
#define POSTBUS_LOAD_SESSION_H

#include <libpq-fe.h>

#include "stage.h"

#define SESSION_PARAMS 6

typedef struct session {
    stage *stage;
    int number;
    const char *application;
    uint64_t dice;
    uint64_t next_token;
    PGconn *conn;
    int64_t reconnects;
} session;

/* Connects, trying again until it works or the stage stops (then false). A session that is connected is left
 * alone. */
bool session_ready(session *s);
void session_close(session *s);

/* Runs one statement; NULL values are SQL NULLs. False on any error; the connection may then be broken. */
bool session_run(session *s, const char *sql, int n_values, const char *const *values);
#define SESSION_RUN(s, sql) session_run(s, sql, 0, NULL)

/* As session_run, and reads the bigint of the first row and column; false also where there is no row. */
bool session_number(session *s, const char *sql, int n_values, const char *const *values, int64_t *out);

/* Connects once, with patience for a server that is starting; NULL when deadline_ms (of now_ms) has passed.
 */
PGconn *session_connect_by(const char *database, const char *application, int64_t deadline_ms);

#endif
