/* SQL in one line, for tests. Texts are printf formats. A failure fails the running cmocka test with the server's message. */
#ifndef POSTBUS_TEST_PG_QUERY_H
#define POSTBUS_TEST_PG_QUERY_H

#include <stdint.h>

#include <libpq-fe.h>

/* Runs statements, several at once too, whose results do not matter. */
void pg_run(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

/* The rows of a query; PQclear them. */
PGresult *pg_rows(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

/* The first column of the only row, as text for the caller to free; NULL where it is NULL. */
char *pg_text(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

/* The same as a number; -1 where it is NULL. */
int64_t pg_number(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

/* The first column of the only row must be this text; expected NULL: it must be NULL. */
void pg_expect(PGconn *conn, const char *expected, const char *sql, ...)
    __attribute__((format(printf, 3, 4)));

/* The SQLSTATE with which a statement is refused, "" where it is not; storage of the library, until the next call. The message is
 * PQerrorMessage(conn). */
const char *pg_refused(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

typedef struct pg_refusal {
    char sqlstate[6];
    char message[1024];
    char hint[512];
} pg_refusal;

/* How a statement that must be refused is refused, in full. */
pg_refusal pg_refusal_of(PGconn *conn, const char *sql, ...) __attribute__((format(printf, 2, 3)));

/* It must be refused with this SQLSTATE. */
void pg_expect_refused(PGconn *conn, const char *sqlstate, const char *sql, ...)
    __attribute__((format(printf, 3, 4)));

/* Terminates a backend by its process id and returns when it is gone, with its locks. */
void pg_end_backend(PGconn *conn, int backend);

/* The same with all others for which a condition on pg_stat_activity holds. Who connects meanwhile is left alone. */
void pg_end_backends(PGconn *conn, const char *which);

#endif
