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

static bool read_file(config_load_state *state, const char *path)
{
    if (!path)
        return true;
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

/* Of several databases it is a name, which has been looked at already. */
static bool is_choice(const config_load_state *state, const char *setting)
{
    return state->cfg->name && strcmp(setting, "database") == 0;
}

static bool load_variable(config_load_state *state, const char *variable, const char *value)
{
    char name[160];
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        config_environment_name(config_table[i].name, name, sizeof name);
        if (strcmp(name, variable) == 0)
            return is_choice(state, config_table[i].name) ||
                   config_apply(state, config_table[i].name, value, config_table[i].name, variable);
    }
    bool is_kafka = strncmp(variable, ENVIRONMENT_KAFKA_PREFIX, strlen(ENVIRONMENT_KAFKA_PREFIX)) == 0;
    const char *kafka = is_kafka ? kafka_name_of(state->kafka, variable) : NULL;
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
        if (is_choice(state, flags[i].name))
            continue;
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

static bool check_headers(config_load_state *state)
{
    const config *cfg = state->cfg;
    const struct {
        const char *name, *value;
    } headers[] = {{"id_header", cfg->id_header},
                   {"type_header", cfg->type_header},
                   {"relayed_at_header", cfg->relayed_at_header}};
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 3; k++)
            if (headers[i].value[0] && strcmp(headers[i].value, headers[k].value) == 0)
                return config_fault(state,
                                    "%s and %s are both \"%s\"; give each its own name, or set one to \"\"",
                                    headers[i].name, headers[k].name, headers[i].value);
    return true;
}

static bool check_together(config_load_state *state)
{
    const config *cfg = state->cfg;
    if (!check_headers(state))
        return false;
    for (size_t i = 0; i < cfg->n_kafka; i++) {
        const config_pair *pair = &cfg->kafka[i];
        if (cfg->delivery != DELIVERY_EXACTLY_ONCE && strcmp(pair->name, "transaction.timeout.ms") == 0)
            return config_fault(
                state,
                "kafka.transaction.timeout.ms is \"%s\" (%s), and there are no transactions; remove it, or "
                "set delivery to exactly_once",
                pair->value, pair->source);
    }
    return true;
}

static bool name_section(config_load_state *state, const char *section)
{
    state->cfg->name = section ? strdup(section) : NULL;
    return !section || state->cfg->name || config_fault(state, "out of memory");
}

/* The configuration of one database: that of a section, or that without any. */
static bool load_one(config_load_state *state, config *out, const config_input *input, const char *section)
{
    *out = (config){.sources = calloc(CONFIG_N_SETTINGS, sizeof *out->sources)};
    state->cfg = out;
    if (!out->sources)
        return config_fault(state, "out of memory");
    return name_section(state, section) && load_defaults(state) && config_lines_apply(state, NULL) &&
           (!section || config_lines_apply(state, section)) &&
           (!input->environment || load_environment(state, input->environment)) &&
           load_flags(state, input->flags, input->n_flags) && name_relay(state) && check_together(state);
}

/* ---- several databases ---- */

/* What environment and flags say of the database, and where; NULL: nothing. */
static const char *chosen(const config_input *input, const char **out_where)
{
    for (size_t i = input->n_flags; i > 0; i--)
        if (strcmp(input->flags[i - 1].name, "database") == 0) {
            *out_where = "--database";
            return input->flags[i - 1].value;
        }
    *out_where = ENVIRONMENT_PREFIX "DATABASE";
    size_t length = strlen(*out_where);
    for (const char *const *e = input->environment; e && *e; e++)
        if (strncmp(*e, *out_where, length) == 0 && (*e)[length] == '=')
            return (*e)[length + 1] ? *e + length + 1 : NULL;
    return NULL;
}

static bool has_section(const config_lines *lines, const char *name)
{
    for (size_t i = 0; i < lines->n_sections; i++)
        if (strcmp(lines->sections[i], name) == 0)
            return true;
    return false;
}

/* *out_name: the only section to load, or NULL for all. What is no name is not repeated: it may hold a password. */
static bool choose(config_load_state *state, const config_input *input, const char **out_name)
{
    char names[512];
    const char *where, *name = *out_name = chosen(input, &where);
    if (!name || has_section(&state->lines, name))
        return true;
    config_section_names(&state->lines, names, sizeof names);
    return config_fault(
        state,
        "%s%s%s has to be the name of a database of %s, which has %s; for another database, leave "
        "the file out",
        where, config_section_name_is_good(name) ? " " : "", config_section_name_is_good(name) ? name : "",
        input->file, names);
}

static bool append(config_load_state *state, config_list *list, const config_input *input,
                   const char *section)
{
    config *grown = realloc(list->each, (list->n + 1) * sizeof *grown);
    if (!grown)
        return config_fault(state, "out of memory");
    list->each = grown;
    return load_one(state, &list->each[list->n++], input, section);
}

static const char *source_of_database(const config *cfg)
{
    return cfg->sources[config_setting_find("database") - config_table];
}

static bool check_distinct(config_load_state *state, const config_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        for (size_t j = 0; j < i; j++)
            if (config_same_database(list->each[i].database, list->each[j].database))
                return config_fault(state,
                                    "%s: %s is the same database as %s (%s); remove one of the two sections",
                                    source_of_database(&list->each[i]), list->each[i].name,
                                    list->each[j].name, source_of_database(&list->each[j]));
    return true;
}

static bool load_list(config_load_state *state, config_list *list, const config_input *input)
{
    const char *only;
    if (!read_file(state, input->file))
        return false;
    if (state->lines.n_sections == 0 || input->without_sections)
        return append(state, list, input, NULL);
    if (!choose(state, input, &only))
        return false;
    for (size_t i = 0; i < state->lines.n_sections; i++) {
        const char *section = state->lines.sections[i];
        if ((!only || strcmp(only, section) == 0) && !append(state, list, input, section))
            return false;
    }
    return check_distinct(state, list);
}

bool config_load_each(config_list *out, const config_input *input, char *message, size_t message_size)
{
    config_list list = {0};
    config_load_state state = {.message = message, .message_size = message_size};
    state.scratch = rd_kafka_conf_new();
    state.kafka = kafka_names_known();
    bool ok = state.kafka ? load_list(&state, &list, input) : config_fault(&state, "out of memory");
    rd_kafka_conf_destroy(state.scratch);
    config_lines_done(&state.lines);
    if (ok)
        *out = list;
    else
        config_list_done(&list);
    return ok;
}

static void say_which(const config_list *list, const char *file, char *message, size_t message_size)
{
    size_t at = (size_t)snprintf(message, message_size,
                                 "%s has several databases; choose one by --database NAME:", file);
    for (size_t i = 0; i < list->n && at < message_size; i++)
        at += (size_t)snprintf(message + at, message_size - at, "%s %s", i ? "," : "", list->each[i].name);
}

bool config_load(config *out, const config_input *input, char *message, size_t message_size)
{
    config_list list;
    if (!config_load_each(&list, input, message, message_size))
        return false;
    if (list.n > 1) {
        say_which(&list, input->file, message, message_size);
        config_list_done(&list);
        return false;
    }
    *out = list.each[0];
    free(list.each);
    return true;
}

void config_list_done(config_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        config_done(&list->each[i]);
    free(list->each);
    *list = (config_list){0};
}

void config_done(config *cfg)
{
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++) {
        const config_setting *setting = &config_table[i];
        if (setting->kind == SETTING_TEXT || setting->kind == SETTING_SECRET ||
            setting->kind == SETTING_CONNINFO || setting->kind == SETTING_LISTEN ||
            setting->kind == SETTING_POLICY_OF)
            free(*(char **)((char *)cfg + setting->offset));
        if (cfg->sources)
            free(cfg->sources[i]);
    }
    for (size_t i = 0; i < cfg->n_kafka; i++)
        config_pair_free(&cfg->kafka[i]);
    free(cfg->kafka);
    free(cfg->sources);
    free(cfg->name);
    *cfg = (config){0};
}

static void print_row(FILE *to, const char *indent, const char *name, const char *value, const char *source)
{
    fprintf(to, "%s%s = \"", indent, name);
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

static void print_setting(const config *cfg, size_t i, const char *indent, FILE *to)
{
    char *text = config_setting_text(&config_table[i], cfg);
    print_row(to, indent, config_table[i].name, text ? text : "",
              cfg->sources ? cfg->sources[i] : "built in");
    free(text);
}

static void print_kafka(const config *cfg, const char *indent, FILE *to)
{
    for (size_t i = 0; i < cfg->n_kafka; i++) {
        const config_pair *pair = &cfg->kafka[i];
        char name[200];
        snprintf(name, sizeof name, CONFIG_KAFKA_PREFIX "%s", pair->name);
        print_row(to, indent, name, config_kafka_is_secret(pair->name) ? "********" : pair->value,
                  pair->source ? pair->source : "built in");
    }
}

static void print_section(const config *cfg, FILE *to)
{
    fprintf(to, "\ndatabase %s {\n", cfg->name);
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        if (!config_table[i].of_process)
            print_setting(cfg, i, "    ", to);
    print_kafka(cfg, "    ", to);
    fputs("}\n", to);
}

void config_print(const config_list *list, FILE *to)
{
    bool sections = list->each[0].name != NULL;
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        if (!sections || config_table[i].of_process)
            print_setting(&list->each[0], i, "", to);
    if (!sections)
        print_kafka(&list->each[0], "", to);
    for (size_t i = 0; sections && i < list->n; i++)
        print_section(&list->each[i], to);
}
