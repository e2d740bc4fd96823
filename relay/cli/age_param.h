/* Ages on the command line. */
#ifndef POSTBUS_CLI_AGE_PARAM_H
#define POSTBUS_CLI_AGE_PARAM_H

#include "command.h"

#include <libpq-fe.h>

/* Of --older-than: an interval as PostgreSQL reads it. EXIT_OK: it is not given, or it lies in the past. Else the reason was printed: what lies in the future
 * ("30 days ago" is minus 30 days) would choose everything, and a number without a unit was hardly meant as seconds. */
int age_param_check(const call *c, PGconn *conn);

#endif
