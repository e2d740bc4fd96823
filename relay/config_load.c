/* Sets one setting and words what is wrong with it; never knows in which layer it stands. */
#include "config_load.h"
#include "nearest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool config_fault(config_load_state *state, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(state->message, state->message_size, format, ap);
    va_end(ap);
    return false;
}

const char *config_kafka_part(const char *name)
{
    size_t length = strlen(CONFIG_KAFKA_PREFIX);
    return strncmp(name, CONFIG_KAFKA_PREFIX, length) == 0 ? name + length : NULL;
}

void config_pair_free(config_pair *pair)
{
    free(pair->name);
    free(pair->value);
    free(pair->source);
}

/* A later layer's value goes to the end, so that of two aliases the one said last counts. */
static void forget_pair(config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_kafka; i++) {
        if (strcmp(cfg->kafka[i].name, name) != 0)
            continue;
        config_pair_free(&cfg->kafka[i]);
        memmove(&cfg->kafka[i], &cfg->kafka[i + 1], (cfg->n_kafka - i - 1) * sizeof cfg->kafka[0]);
        cfg->n_kafka--;
        return;
    }
}

static bool add_pair(config *cfg, const char *name, const char *value, const char *source)
{
    forget_pair(cfg, name);
    config_pair *grown = realloc(cfg->kafka, (cfg->n_kafka + 1) * sizeof *grown);
    if (!grown)
        return false;
    cfg->kafka = grown;
    config_pair pair = {strdup(name), strdup(value), strdup(source)};
    if (!pair.name || !pair.value || !pair.source) {
        config_pair_free(&pair);
        return false;
    }
    cfg->kafka[cfg->n_kafka++] = pair;
    return true;
}

static bool apply_plain(config_load_state *state, const char *name, const char *value, const char *label,
                        const char *source)
{
    char reason[768];
    if (!kafka_setting_check(state->kafka, state->scratch, name, value, reason, sizeof reason))
        return config_fault(state, "%s: %s %s", source, label, reason);
    if (!add_pair(state->cfg, name, value, source))
        return config_fault(state, "out of memory");
    return true;
}

/* kafka.sasl.password_file is kafka.sasl.password, said in a file of its own. */
static bool apply_kafka(config_load_state *state, const char *name, const char *value, const char *label,
                        const char *source)
{
    if (!kafka_names_is_file(state->kafka, name))
        return apply_plain(state, name, value, label, source);
    char reason[768], bare[160], from[768];
    char *secret = config_secret_read(value, reason, sizeof reason);
    if (!secret)
        return config_fault(state, "%s: %s %s", source, label, reason);
    snprintf(bare, sizeof bare, "%.*s", (int)(strrchr(name, '_') - name), name);
    snprintf(from, sizeof from, "%s of %s", value, source);
    bool ok = apply_plain(state, bare, secret, label, from);
    free(secret);
    return ok;
}

bool config_apply(config_load_state *state, const char *name, const char *value, const char *label,
                  const char *source)
{
    if (config_kafka_part(name))
        return apply_kafka(state, config_kafka_part(name), value, label, source);
    const config_setting *setting = config_setting_find(name);
    if (!setting)
        return config_unknown(state, name, source);
    char reason[512];
    if (!config_setting_parse(setting, value, state->cfg, reason, sizeof reason))
        return config_fault(state, "%s: %s %s", source, label, reason);
    char **place = &state->cfg->sources[setting - config_table];
    free(*place);
    *place = strdup(source);
    return *place ? true : config_fault(state, "out of memory");
}

bool config_unknown(config_load_state *state, const char *name, const char *source)
{
    if (config_kafka_part(name)) {
        char reason[512] = "";
        kafka_setting_check(state->kafka, state->scratch, config_kafka_part(name), "", reason, sizeof reason);
        return config_fault(state, "%s: %s %s", source, name, reason);
    }
    nearest best = {0};
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        nearest_consider(&best, name, config_table[i].name);
    for (size_t i = 0; i < state->kafka->n && !best.name; i++)
        if (strcmp(name, state->kafka->names[i]) == 0)
            return config_fault(state,
                                "%s: there is no setting %s; settings of librdkafka are written kafka.%s",
                                source, name, name);
    if (best.name)
        return config_fault(state, "%s: there is no setting %s; did you mean %s?", source, name, best.name);
    return config_fault(state, "%s: there is no setting %s; postbus relay --help lists those there are",
                        source, name);
}
