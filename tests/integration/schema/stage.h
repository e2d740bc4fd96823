/* A private PostgreSQL server with the migrated schema, and the few verbs the tests of the schema are written in. */
#ifndef POSTBUS_TEST_SCHEMA_STAGE_H
#define POSTBUS_TEST_SCHEMA_STAGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <libpq-fe.h>

/* Group fixtures: a server of the program's own, a database "main" with the schema in it, and the login roles
 * "publisher", "viewer", "relay" and "owner" (a superuser), each a member of the role its name says. */
int stage_start(void **state);
int stage_stop(void **state);

/* The directory of the server's socket, its port, and that of its programs. */
const char *stage_socket(void);
const char *stage_port(void);
const char *stage_bin(void);
/* Runs tests/support/pg-cluster with these arguments; whether it succeeded. */
bool stage_cluster(const char *arguments);
/* Runs a shell command; whether it succeeded. */
bool stage_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A connection that the caller finishes; a failure fails the test. */
PGconn *stage_connect(const char *user, const char *database);
/* Applies every migration in one transaction each. */
void stage_migrate(PGconn *conn);

/* Runs statements that must succeed. */
void run(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first column of the first row as text: the caller frees it. NULL for an SQL NULL; no row fails the test. */
char *value_of(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t number_of(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first column of the first row must be this text. */
void assert_value(PGconn *conn, const char *expected, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

typedef struct refusal {
    char sqlstate[6];
    char message[1024];
    char hint[512];
} refusal;

/* Runs a statement that must fail, and tells how it did. */
refusal refused(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
void assert_refused(PGconn *conn, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
