/* Reads the configuration file by libconfuse; what a value means is not decided here. */
#include "config_file.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* libconfuse hands its callbacks no argument of ours. */
static _Thread_local struct reading {
    config_load_state *state;
    const char *name;
    bool told;  /* the message is written */
    bool *seen; /* of each option: libconfuse's own mark is set before the callback runs */
} reading;

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    char source[512];
    snprintf(source, sizeof source, "%s:%d", reading.name, cfg->line);
    *(const char **)result = value;
    if (reading.told)
        return -1;
    bool *seen = &reading.seen[opt - cfg->opts];
    if (*seen) {
        reading.told = true;
        config_fault(reading.state, "%s: %s is set twice in this file; remove one of the two lines", source,
                     opt->name);
        return -1;
    }
    *seen = true;
    if (!config_apply(reading.state, opt->name, value, opt->name, source)) {
        reading.told = true;
        return -1;
    }
    return 0;
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    if (reading.told)
        return;
    reading.told = true;
    char source[512];
    snprintf(source, sizeof source, "%s:%d", reading.name, cfg ? cfg->line : 0);
    if (strcmp(format, "no such option '%s'") == 0) {
        config_unknown(reading.state, va_arg(ap, const char *), source);
        return;
    }
    char text[256];
    vsnprintf(text, sizeof text, format, ap);
    config_fault(reading.state, "%s: %s; write NAME = \"VALUE\", one a line", source, text);
}

static void add_option(cfg_opt_t *options, size_t *n, const char *name)
{
    options[(*n)++] = (cfg_opt_t)CFG_STR_CB(name, NULL, CFGF_NODEFAULT, on_value);
}

/* Every setting of the table, and kafka.NAME for every setting of librdkafka; names holds what has to be freed. */
static cfg_opt_t *options_new(const kafka_names *kafka, char **names)
{
    cfg_opt_t *options = calloc(CONFIG_N_SETTINGS + kafka->n + 1, sizeof *options);
    size_t n = 0;
    for (size_t i = 0; options && i < CONFIG_N_SETTINGS; i++)
        add_option(options, &n, config_table[i].name);
    for (size_t i = 0; options && i < kafka->n; i++) {
        if (asprintf(&names[i], "kafka.%s", kafka->names[i]) < 0) {
            names[i] = NULL;
            free(options);
            return NULL;
        }
        add_option(options, &n, names[i]);
    }
    if (options)
        options[n] = (cfg_opt_t)CFG_END();
    return options;
}

static bool parse(config_load_state *state, cfg_opt_t *options, FILE *file, const char *name)
{
    bool *seen = calloc(CONFIG_N_SETTINGS + state->kafka.n + 1, sizeof *seen);
    cfg_t *cfg = seen ? cfg_init(options, CFGF_NONE) : NULL;
    if (!cfg) {
        free(seen);
        return config_fault(state, "%s: out of memory", name);
    }
    cfg_set_error_function(cfg, on_error);
    reading = (struct reading){.state = state, .name = name, .seen = seen};
    int result = cfg_parse_fp(cfg, file);
    cfg_free(cfg);
    free(seen);
    if (result == CFG_SUCCESS && !reading.told)
        return true;
    if (!reading.told)
        config_fault(state, "%s: cannot be read as a configuration file; write NAME = \"VALUE\", one a line",
                     name);
    return false;
}

bool config_file_read(config_load_state *state, FILE *file, const char *name)
{
    char **names = calloc(state->kafka.n + 1, sizeof *names);
    cfg_opt_t *options = names ? options_new(&state->kafka, names) : NULL;
    bool ok = options ? parse(state, options, file, name) : config_fault(state, "%s: out of memory", name);
    free(options);
    for (size_t i = 0; names && i < state->kafka.n; i++)
        free(names[i]);
    free(names);
    return ok;
}
