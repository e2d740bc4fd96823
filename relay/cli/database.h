/* The commands' connection to PostgreSQL. */
#ifndef POSTBUS_CLI_DATABASE_H
#define POSTBUS_CLI_DATABASE_H

#include <libpq-fe.h>

#include "command.h"

/* Connects and says nothing; the caller looks at PQstatus. NULL: no memory. */
PGconn *database_connect(const call *c);

/* Connects, with EXIT_OK in *out_code; NULL: the reason was printed, and *out_code is the command's exit code. */
PGconn *database_open(const call *c, int *out_code);

/* Runs one statement with text parameters; NULL: the reason was printed, after "what: ". */
PGresult *database_query(const call *c, PGconn *conn, const char *what, const char *sql, int n_params,
                         const char *const *params);

/* Prints what a failed result says, in one line: message, detail and hint. Returns EXIT_FAULT. */
int database_fault(const call *c, PGconn *conn, const PGresult *result, const char *what);

/* Of a statement that failed: its answer was lost with the connection, so that it may have taken effect all the same. */
bool database_answer_lost(const PGconn *conn, const PGresult *result);

/* Copies text with every run of white space as one space, so that it fits into one line, and what is a control character or no UTF-8 as \xNN, so that it
 * commands no terminal; as many whole characters as there is room for. */
void one_line(const char *text, char *out, size_t out_size);

#endif
