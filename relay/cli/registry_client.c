/* Reaches the schema registry for the commands; must never print its password. */
#include "registry_client.h"

#include "config_load.h"

#include <stdlib.h>
#include <string.h>

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

int registry_client_open(const call *c, pbus_registry **out)
{
    const config *cfg = &c->cfg;
    char *secret = NULL, reason[768];
    *out = NULL;
    if (!text_or_null(cfg->registry_url))
        return EXIT_OK;
    if (text_or_null(cfg->registry_password_file) &&
        !(secret = config_secret_read(cfg->registry_password_file, reason, sizeof reason)))
        return misuse(c, "registry_password_file %s", reason);
    pbus_registry_options options = PBUS_REGISTRY_OPTIONS_INIT;
    options.url = cfg->registry_url;
    options.user = text_or_null(cfg->registry_user);
    options.password = secret ? secret : cfg->registry_password;
    options.ca_file = text_or_null(cfg->registry_ca_file);
    options.timeout_ms = (uint32_t)cfg->registry_timeout_ms;
    pbus_error err;
    pbus_status status = pbus_registry_new(&options, out, &err);
    free(secret);
    return status == PBUS_OK ? EXIT_OK : misuse(c, "%s", err.message);
}

static int tell(const call *c, const char *subject, pbus_status status, const pbus_error *err)
{
    if (status == PBUS_OK)
        return EXIT_OK;
    fault(c, "%s: %s%s", subject, err->message,
          status != PBUS_ERROR_REGISTRY ? ""
          : err->retriable              ? "; nothing was changed: run it again once it answers"
                                        : "; check the settings registry_…");
    return status == PBUS_ERROR_INCOMPATIBLE ? EXIT_FINDINGS : EXIT_FAULT;
}

static void subject_of(const char *topic, char out[300])
{
    snprintf(out, 300, "%s-value", topic);
}

int registry_client_register(const call *c, pbus_registry *registry, const char *topic,
                             const pbus_schema *schema, int32_t *out_id)
{
    char subject[300];
    pbus_error err;
    subject_of(topic, subject);
    return tell(c, subject, pbus_registry_register(registry, subject, schema, out_id, &err), &err);
}

int registry_client_check(const call *c, pbus_registry *registry, const char *topic,
                          const pbus_schema *schema)
{
    char subject[300];
    pbus_error err;
    subject_of(topic, subject);
    return tell(c, subject, pbus_registry_check(registry, subject, schema, &err), &err);
}
