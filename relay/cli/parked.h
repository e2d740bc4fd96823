/* The subcommands of postbus parked: each returns an exit code. */
#ifndef POSTBUS_CLI_PARKED_H
#define POSTBUS_CLI_PARKED_H

#include <libpq-fe.h>

#include "command.h"

int parked_list(const call *c, PGconn *conn);
int parked_show(const call *c, PGconn *conn);
int parked_redrive(const call *c, PGconn *conn);
int parked_discard(const call *c, PGconn *conn);
int parked_audit(const call *c, PGconn *conn);

#endif
