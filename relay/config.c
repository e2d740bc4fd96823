/* Puts the configuration together: defaults, file, environment, flags; never connects to anything. */
#include "config_file.h"
#include "config_load.h"
#include "nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT_PREFIX "POSTBUS_"
#define ENVIRONMENT_KAFKA_PREFIX "POSTBUS_KAFKA_"

static bool load_defaults(config_load_state *state)
{
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        if (!config_apply(state, config_table[i].name, config_table[i].preset, config_table[i].name,
                          "default"))
            return false;
    return true;
}

static bool load_file(config_load_state *state, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return config_fault(state, "the configuration file %s cannot be opened: %s", path, strerror(errno));
    bool ok = config_file_read(state, file, path);
    fclose(file);
    return ok;
}

/* POSTBUS_KAFKA_LINGER_MS is kafka.linger.ms: '.' and '_' of librdkafka's names are not told apart. */
static const char *kafka_name_of(const kafka_names *kafka, const char *variable)
{
    for (size_t i = 0; i < kafka->n; i++) {
        char name[160];
        config_environment_name(kafka->names[i], name, sizeof name);
        if (strcmp(name + strlen(ENVIRONMENT_PREFIX), variable + strlen(ENVIRONMENT_KAFKA_PREFIX)) == 0)
            return kafka->names[i];
    }
    return NULL;
}

/* Other software makes names with our prefix (Kubernetes: POSTBUS_SERVICE_HOST of a service "postbus"), so only one that
 * is surely a slip of the pen is a fault. */
static bool environment_slip(config_load_state *state, const char *variable)
{
    nearest best = {0};
    char meant[160] = "", name[160];
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        config_environment_name(config_table[i].name, name, sizeof name);
        size_t distance = nearest_distance(variable, name);
        if (distance <= 2 && (meant[0] == '\0' || distance < best.distance)) {
            best.distance = distance;
            snprintf(meant, sizeof meant, "%s", name);
        }
    }
    if (meant[0] == '\0')
        return true;
    return config_fault(state, "the environment variable %s is no setting; did you mean %s?", variable,
                        meant);
}

static bool load_variable(config_load_state *state, const char *variable, const char *value)
{
    char name[160];
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        config_environment_name(config_table[i].name, name, sizeof name);
        if (strcmp(name, variable) == 0)
            return config_apply(state, config_table[i].name, value, config_table[i].name, variable);
    }
    bool is_kafka = strncmp(variable, ENVIRONMENT_KAFKA_PREFIX, strlen(ENVIRONMENT_KAFKA_PREFIX)) == 0;
    const char *kafka = is_kafka ? kafka_name_of(&state->kafka, variable) : NULL;
    if (!kafka)
        return environment_slip(state, variable);
    snprintf(name, sizeof name, CONFIG_KAFKA_PREFIX "%s", kafka);
    return config_apply(state, name, value, name, variable);
}

static bool load_environment(config_load_state *state, const char *const *environment)
{
    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        if (!equals || strncmp(*environment, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0)
            continue;
        char *variable = strndup(*environment, (size_t)(equals - *environment));
        bool ok =
            variable ? load_variable(state, variable, equals + 1) : config_fault(state, "out of memory");
        free(variable);
        if (!ok)
            return false;
    }
    return true;
}

static bool load_flags(config_load_state *state, const config_flag *flags, size_t n_flags)
{
    for (size_t i = 0; i < n_flags; i++) {
        char source[160];
        if (config_kafka_part(flags[i].name))
            snprintf(source, sizeof source, "--kafka");
        else {
            snprintf(source, sizeof source, "--");
            config_flag_name(flags[i].name, source + 2, sizeof source - 2);
        }
        if (!config_apply(state, flags[i].name, flags[i].value, flags[i].name, source))
            return false;
    }
    return true;
}

static bool name_relay(config_load_state *state)
{
    if (state->cfg->relay_id && state->cfg->relay_id[0])
        return true;
    char host[256] = "", id[300];
    gethostname(host, sizeof host - 1);
    snprintf(id, sizeof id, "%s:%ld", host, (long)getpid());
    char *copy = strdup(id);
    if (!copy)
        return config_fault(state, "out of memory");
    free(state->cfg->relay_id);
    state->cfg->relay_id = copy;
    return true;
}

static bool check_together(config_load_state *state)
{
    const config *cfg = state->cfg;
    if (cfg->id_header[0] && strcmp(cfg->id_header, cfg->type_header) == 0)
        return config_fault(
            state, "id_header and type_header are both \"%s\"; give each its own name, or set one to \"\"",
            cfg->id_header);
    return true;
}

static bool load_all(config_load_state *state, const config_input *input)
{
    return load_defaults(state) && (!input->file || load_file(state, input->file)) &&
           (!input->environment || load_environment(state, input->environment)) &&
           load_flags(state, input->flags, input->n_flags) && name_relay(state) && check_together(state);
}

bool config_load(config *out, const config_input *input, char *message, size_t message_size)
{
    config cfg = {0};
    config_load_state state = {.cfg = &cfg, .message = message, .message_size = message_size};
    cfg.sources = calloc(CONFIG_N_SETTINGS, sizeof *cfg.sources);
    state.scratch = rd_kafka_conf_new();
    bool ok = cfg.sources && kafka_names_read(&state.kafka) ? load_all(&state, input)
                                                            : config_fault(&state, "out of memory");
    rd_kafka_conf_destroy(state.scratch);
    kafka_names_done(&state.kafka);
    if (ok)
        *out = cfg;
    else
        config_done(&cfg);
    return ok;
}

void config_done(config *cfg)
{
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        const config_setting *setting = &config_table[i];
        if (setting->kind == SETTING_TEXT || setting->kind == SETTING_CONNINFO ||
            setting->kind == SETTING_LISTEN || setting->kind == SETTING_POLICY_OF)
            free(*(char **)((char *)cfg + setting->offset));
        if (cfg->sources)
            free(cfg->sources[i]);
    }
    for (size_t i = 0; i < cfg->n_kafka; i++)
        config_pair_free(&cfg->kafka[i]);
    free(cfg->kafka);
    free(cfg->sources);
    *cfg = (config){0};
}

static void print_row(FILE *to, const char *name, const char *value, const char *source)
{
    fprintf(to, "%s = \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || *value == '$')
            fputc('\\', to);
        if (*value == '\n')
            fputs("\\n", to);
        else
            fputc(*value, to);
    }
    fprintf(to, "\"  # %s\n", source);
}

void config_print(const config *cfg, FILE *to)
{
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        char *text = config_setting_text(&config_table[i], cfg);
        print_row(to, config_table[i].name, text ? text : "", cfg->sources ? cfg->sources[i] : "built in");
        free(text);
    }
    for (size_t i = 0; i < cfg->n_kafka; i++) {
        const config_pair *pair = &cfg->kafka[i];
        char name[200];
        snprintf(name, sizeof name, CONFIG_KAFKA_PREFIX "%s", pair->name);
        print_row(to, name, config_kafka_is_secret(pair->name) ? "********" : pair->value,
                  pair->source ? pair->source : "built in");
    }
}
