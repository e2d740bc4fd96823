/* Bringing the schema up to date, for other commands. */
#ifndef POSTBUS_CLI_MIGRATE_H
#define POSTBUS_CLI_MIGRATE_H

#include <libpq-fe.h>

#include "command.h"

/* Applies what is missing and prints nothing but faults. */
int migrate_quietly(const call *c, PGconn *conn);

#endif
