/* Reaches the schema registry for the commands; must never print its password. */
#include "registry_client.h"

#include "config_load.h"

#include <stdlib.h>
#include <string.h>

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

int registry_client_options(const call *c, pbus_registry_options *out, char **out_secret)
{
    const config *cfg = &c->cfg;
    char reason[768];
    *out = (pbus_registry_options)PBUS_REGISTRY_OPTIONS_INIT;
    *out_secret = NULL;
    out->url = text_or_null(cfg->registry_url);
    if (!out->url)
        return EXIT_OK;
    if (text_or_null(cfg->registry_password_file) &&
        !(*out_secret = config_secret_read(cfg->registry_password_file, reason, sizeof reason)))
        return misuse(c, "registry_password_file %s", reason);
    out->user = text_or_null(cfg->registry_user);
    out->password = *out_secret ? *out_secret : cfg->registry_password;
    out->ca_file = text_or_null(cfg->registry_ca_file);
    out->timeout_ms = (uint32_t)cfg->registry_timeout_ms;
    return EXIT_OK;
}

int registry_client_open(const call *c, pbus_registry **out)
{
    pbus_error err;
    pbus_registry_options options;
    char *secret;
    *out = NULL;
    int code = registry_client_options(c, &options, &secret);
    if (code == EXIT_OK && options.url && pbus_registry_new(&options, out, &err) != PBUS_OK)
        code = misuse(c, "%s", err.message);
    free(secret);
    return code;
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
