/* The schema registry that the configuration names. */
#ifndef POSTBUS_CLI_REGISTRY_CLIENT_H
#define POSTBUS_CLI_REGISTRY_CLIENT_H

#include <postbus/registry.h>

#include "command.h"

/* EXIT_OK with *out NULL: none is named. *out is for pbus_registry_free. Else the reason was printed. */
int registry_client_open(const call *c, pbus_registry **out);

/* Its settings, borrowed from the configuration and *out_secret, which is for free. EXIT_OK with out->url NULL: none is named. Else the reason was printed. */
int registry_client_options(const call *c, pbus_registry_options *out, char **out_secret);

/* Registers a schema under TOPIC-value. EXIT_OK and the id, or the reason was printed. */
int registry_client_register(const call *c, pbus_registry *registry, const char *topic,
                             const pbus_schema *schema, int32_t *out_id);

/* Whether the registry would take it. EXIT_OK, or the reason was printed. */
int registry_client_check(const call *c, pbus_registry *registry, const char *topic,
                          const pbus_schema *schema);

#endif
