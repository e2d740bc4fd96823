/* The table of what operators did, of an outbox or of a subscriber. */
#ifndef POSTBUS_CLI_AUDIT_H
#define POSTBUS_CLI_AUDIT_H

#include <libpq-fe.h>

#include "command.h"

/* Prints the newest rows of a query parked_audit or dead_audit, as many as --limit says; returns an exit code. */
int audit_print(const call *c, PGconn *conn, const char *sql);

#endif
