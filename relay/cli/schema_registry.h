/* A subject's schemas in the registries of its topics. Each returns an exit code, and has printed the reason of one that is not EXIT_OK. */
#ifndef POSTBUS_CLI_SCHEMA_REGISTRY_H
#define POSTBUS_CLI_SCHEMA_REGISTRY_H

#include <libpq-fe.h>
#include <postbus/schema.h>

#include "command.h"

/* Registers all versions of a subject for a topic, the oldest first, and notes their ids, in the open transaction. */
int schema_register_versions(const call *c, PGconn *conn, const char *topic, const char *subject);

/* Registers a new version, the schema of this id, for each topic that is bound to the subject with a registry's ids, and notes its ids, in
 * the open transaction. With --dry-run: asks the registry whether it would take it; *out_asked says that there is such a topic. */
int schema_register_new(const call *c, PGconn *conn, const char *subject, const char *schema_id,
                        const pbus_schema *schema, bool *out_asked);

#endif
