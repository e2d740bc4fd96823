/* A PostgreSQL session in pipeline mode: statements go out without waiting, answers come back in order to callbacks.
 * Any SQL error ends the session: no state outlives a connection, so starting over is always right. */
#ifndef POSTBUS_RELAY_SESSION_H
#define POSTBUS_RELAY_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct session session;

typedef enum session_state { SESSION_CONNECTING, SESSION_READY, SESSION_LOST } session_state;

/* result belongs to the callback, which must PQclear it. */
typedef void session_result_cb(void *arg, PGresult *result);
/* The statements before this point have been committed. */
typedef void session_committed_cb(void *arg);

/* Starts to connect; never NULL but for lack of memory. */
session *session_new(const char *conninfo);
/* The same to the server that other is connected to, whatever else conninfo names; asks no name server, which would block. */
session *session_new_beside(const session *other, const char *conninfo);
void session_free(session *s);

int session_fd(const session *s);
short session_events(const session *s);
session_state session_process(session *s);
session_state session_get_state(const session *s);
/* Whether it owes an answer, and nothing has come of it for so long. */
bool session_is_silent(const session *s, int64_t now_us, int64_t for_us);
/* When it last got on, if only by a part of an answer; to a tenth of a second. */
int64_t session_heard_us(const session *s);
/* Why it was lost: one line, no password. SQLSTATE or "". */
const char *session_error(const session *s);
const char *session_sqlstate(const session *s);
PGconn *session_conn(const session *s);

/* Parameters are texts; NULL is NULL. Rows come back in binary where binary is set. A NULL callback throws the rows away. */
void session_query(session *s, const char *sql, int n, const char *const *values, bool binary,
                   session_result_cb *cb, void *arg);
void session_prepare(session *s, const char *name, const char *sql);
void session_execute(session *s, const char *name, int n, const char *const *values, bool binary,
                     session_result_cb *cb, void *arg);
/* As session_execute, with parameters that carry their own formats (1 = binary). */
void session_execute_formats(session *s, const char *name, int n, const char *const *values,
                             const int *lengths, const int *formats, session_result_cb *cb, void *arg);
/* Ends the implicit transaction of the statements since the last one. */
void session_commit(session *s, session_committed_cb *cb, void *arg);
/* Takes the notifications that have arrived; returns how many. */
int session_take_rings(session *s);
/* Whether one of them told of a wish for parked events, since this was asked last. */
bool session_take_wish(session *s);

#endif
