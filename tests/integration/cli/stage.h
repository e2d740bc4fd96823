/* What the tests of commands share: a PostgreSQL, a database for each test, and running the program in it. */
#ifndef POSTBUS_TEST_CLI_STAGE_H
#define POSTBUS_TEST_CLI_STAGE_H

#include <libpq-fe.h>

#include "pg_fixture.h"

/* The program group's server. */
extern pg_fixture *stage_pg;
int stage_open(void **state);  /* group setup */
int stage_close(void **state); /* group teardown */

/* The test's database, new and empty; POSTBUS_DATABASE names it for the programs run below. */
void stage_database(const char *name);
PGconn *stage_connect(void);

/* Runs postbus with these words (ends with NULL); the exit code. Both outputs are in stage_said until the next call. */
int stage_run(const char *const *words);
#define POSTBUS(...) stage_run((const char *const[]){POSTBUS_BINARY, __VA_ARGS__, NULL})

/* Runs a line of shell, in which "$POSTBUS" is the program. */
int stage_shell(const char *line);

/* Fails with what was said where a run ended with another code. */
void stage_expect(int expected, int code);

extern char *stage_said;
void stage_says(const char *part);
void stage_does_not_say(const char *part);

#endif
