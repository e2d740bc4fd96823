/* The subcommands of postbus schema: each returns an exit code. */
#ifndef POSTBUS_CLI_SCHEMA_H
#define POSTBUS_CLI_SCHEMA_H

#include <libpq-fe.h>
#include <postbus/schema.h>

#include "command.h"

/* Reads a file's schema; NULL: the reason was printed. */
pbus_schema *schema_of_file(const call *c, const char *path);

/* Prints all that stands against the schema, one a line, naming the earlier ones by their names. EXIT_OK: nothing does; what gives dates and times another
 * meaning is warned of. */
int schema_judge(const call *c, const pbus_schema *schema, pbus_schema *const *earlier,
                 const char *const *names, size_t n_earlier, pbus_compatibility mode);

/* check FILE [EARLIER...], without a database. */
int schema_check_files(const call *c);
/* check FILE --subject NAME, and add SUBJECT FILE. */
int schema_check_subject(const call *c, PGconn *conn);
int schema_add(const call *c, PGconn *conn);
int schema_list(const call *c, PGconn *conn);
int schema_show(const call *c, PGconn *conn);
int schema_bind(const call *c, PGconn *conn);
int schema_unbind(const call *c, PGconn *conn);

#endif
