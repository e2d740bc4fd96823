/* The subcommands of postbus dead: each returns an exit code. */
#ifndef POSTBUS_CLI_DEAD_H
#define POSTBUS_CLI_DEAD_H

#include <libpq-fe.h>

#include "command.h"

int dead_list(const call *c, PGconn *conn);
int dead_show(const call *c, PGconn *conn);
int dead_redrive(const call *c, PGconn *conn);
int dead_discard(const call *c, PGconn *conn);
int dead_audit(const call *c, PGconn *conn);

#endif
