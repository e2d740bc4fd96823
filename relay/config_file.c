/* Reads the configuration file by libconfuse; what a value means is not decided here. */
#include "config_file.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "file_text.h"

#define DATABASE "database"

/* libconfuse hands its callbacks no argument of ours. */
static _Thread_local struct reading {
    config_load_state *state;
    const char *name;
    bool sections;       /* DATABASE is read as a section's beginning, not as a setting */
    bool found_sections; /* it was read as a setting, and a section it is */
    bool told;           /* the message is written */
    bool *seen;          /* of each option: libconfuse's own mark is set before the callback runs */
    bool *seen_within;   /* likewise, of the section that is read */
    const cfg_t *within;
} reading;

static int refuse(const cfg_t *cfg, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(const cfg_t *cfg, const char *format, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (!reading.told)
        config_fault(reading.state, "%s:%d: %s", reading.name, cfg ? cfg->line : 0, text);
    reading.told = true;
    return -1;
}

static size_t n_options(void)
{
    return CONFIG_N_SETTINGS + reading.state->kafka->n + 1;
}

/* Where it is noted that this option was read. */
static bool *seen_of(const cfg_t *cfg, const cfg_opt_t *opt)
{
    if (!cfg->title)
        return &reading.seen[opt - cfg->opts];
    if (cfg != reading.within)
        memset(reading.seen_within, 0, n_options() * sizeof *reading.seen_within);
    reading.within = cfg;
    return &reading.seen_within[opt - cfg->opts];
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    char source[512];
    *(const char **)result = value;
    if (reading.told)
        return -1;
    bool *seen = seen_of(cfg, opt);
    const config_setting *setting = config_setting_find(opt->name);
    if (*seen)
        return refuse(cfg, "%s is set twice in this %s; remove one of the two lines", opt->name,
                      cfg->title ? "section" : "file");
    *seen = true;
    if (cfg->title && setting && setting->of_process)
        return refuse(cfg, "%s is of the whole process; write it outside of the sections", opt->name);
    snprintf(source, sizeof source, "%s:%d", reading.name, cfg->line);
    if (!config_lines_add(&reading.state->lines, cfg->title, opt->name, value, source))
        return refuse(cfg, "out of memory");
    return 0;
}

static int on_end(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    (void)cfg, (void)opt;
    *(const char **)result = value;
    return 0;
}

/* At a section's closing brace. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
    const cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    const char *name = section->title;
    if (!config_section_name_is_good(name))
        return refuse(
            cfg,
            "\"%s\" cannot be the name of a database; take letters, digits, '_', '-' and '.', at most 63",
            name);
    for (size_t i = 0; i < reading.state->lines.n; i++) {
        const config_line *line = &reading.state->lines.each[i];
        if (line->section && strcmp(line->section, name) == 0 && strcmp(line->name, DATABASE) == 0 &&
            line->value[0])
            return config_lines_add_section(&reading.state->lines, name) ? 0 : refuse(cfg, "out of memory");
    }
    return refuse(
        cfg, "the section " DATABASE " %s does not say which; add a line " DATABASE " = \"CONNINFO\"", name);
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    if (reading.told)
        return;
    va_list rest;
    va_copy(rest, ap);
    const char *name = strstr(format, "'%s'") ? va_arg(rest, const char *) : "";
    va_end(rest);
    if (!name) { /* an empty comment stands for a value */
        refuse(cfg, "a value is missing; write NAME = \"VALUE\", one a line");
    } else if (strcmp(name, FILE_TEXT_END) == 0) {
        refuse(cfg, "a section is not closed; write } behind its last line");
    } else if (strcmp(format, "no such option '%s'") == 0) {
        char source[512];
        snprintf(source, sizeof source, "%s:%d", reading.name, cfg ? cfg->line : 0);
        reading.told = true;
        config_unknown(reading.state, name, source);
    } else if (strcmp(format, "missing equal sign after option '%s'") == 0 && strcmp(name, DATABASE) == 0 &&
               !reading.sections && cfg && !cfg->title) {
        reading.told = reading.found_sections = true;
    } else if (strcmp(format, "missing title for section '%s'") == 0) {
        refuse(cfg, "this file has sections, so each database needs one: " DATABASE " NAME { … }");
    } else if (strcmp(format, "missing opening brace for section '%s'") == 0) {
        refuse(cfg, "write " DATABASE " = \"CONNINFO\" where there is one database, and " DATABASE
                    " NAME { … } for each of several");
    } else if (strcmp(format, "found duplicate title '%s'") == 0) {
        refuse(cfg, "there is a section " DATABASE " %s already; give this one another name", name);
    } else {
        char text[256];
        vsnprintf(text, sizeof text, format, ap);
        refuse(cfg, "%s; write NAME = \"VALUE\", one a line", text);
    }
}

static void add_option(cfg_opt_t *options, size_t *n, const char *name)
{
    options[(*n)++] = (cfg_opt_t)CFG_STR_CB(name, NULL, CFGF_NODEFAULT, on_value);
}

/* Every setting of the table, and kafka.NAME for every setting of librdkafka. */
static cfg_opt_t *options_new(const kafka_names *kafka)
{
    cfg_opt_t *options = calloc(CONFIG_N_SETTINGS + kafka->n + 1, sizeof *options);
    size_t n = 0;
    for (size_t i = 0; options && i < CONFIG_N_SETTINGS; i++)
        add_option(options, &n, config_table[i].name);
    for (size_t i = 0; options && i < kafka->n; i++)
        add_option(options, &n, kafka->settings[i]);
    if (options)
        options[n] = (cfg_opt_t)CFG_END();
    return options;
}

/* The same options, DATABASE being sections that have all of them, and what stands behind a file with sections. */
static cfg_opt_t *with_sections(cfg_opt_t *options)
{
    cfg_opt_t *outer = calloc(n_options() + 1, sizeof *outer);
    if (!outer)
        return NULL;
    outer[0] = (cfg_opt_t)CFG_STR_CB(FILE_TEXT_END, NULL, CFGF_NODEFAULT, on_end);
    memcpy(outer + 1, options, n_options() * sizeof *outer);
    for (size_t i = 0; i <= CONFIG_N_SETTINGS; i++)
        if (strcmp(outer[i].name, DATABASE) == 0)
            outer[i] = (cfg_opt_t)CFG_SEC(DATABASE, options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    return outer;
}

static bool parse(cfg_opt_t *options, char *text, size_t size)
{
    bool *seen = calloc(2 * (n_options() + 1), sizeof *seen);
    cfg_t *cfg = seen ? cfg_init(options, CFGF_NONE) : NULL;
    FILE *file = cfg ? fmemopen(text, size, "r") : NULL;
    int result = CFG_PARSE_ERROR;
    reading.seen = seen;
    reading.seen_within = seen + n_options() + 1;
    reading.within = NULL;
    if (file) {
        cfg_set_error_function(cfg, on_error);
        if (reading.sections)
            cfg_set_validate_func(cfg, DATABASE, on_section);
        result = cfg_parse_fp(cfg, file);
        fclose(file);
    } else {
        refuse(NULL, "out of memory");
    }
    if (cfg)
        cfg_free(cfg);
    free(seen);
    if (result != CFG_SUCCESS && !reading.told)
        refuse(NULL, "cannot be read as a configuration file; write NAME = \"VALUE\", one a line");
    return !reading.told;
}

/* Whether DATABASE begins a section or is a setting, libconfuse has to be told before: where the one is wrong, it reads again. */
static bool parse_either_way(cfg_opt_t *options, const file_text *f)
{
    if (parse(options, f->text, f->size_without) || !reading.found_sections)
        return !reading.told;
    config_lines_done(&reading.state->lines);
    reading.told = false;
    reading.sections = true;
    cfg_opt_t *outer = with_sections(options);
    bool ok = outer ? parse(outer, f->text, f->size) : refuse(NULL, "out of memory") == 0;
    free(outer);
    return ok;
}

static bool is_text(const file_text *f)
{
    if (!f->text)
        return config_fault(reading.state, "%s: out of memory", reading.name);
    return f->nul_line == 0 ||
           config_fault(reading.state,
                        "%s:%d: there is a byte of zero; take it out: a configuration file is text",
                        reading.name, f->nul_line);
}

bool config_file_read(config_load_state *state, FILE *file, const char *name)
{
    reading = (struct reading){.state = state, .name = name};
    cfg_opt_t *options = options_new(state->kafka);
    file_text f = options ? file_text_read(file) : (file_text){NULL};
    bool ok = is_text(&f) && parse_either_way(options, &f);
    free(f.text);
    free(options);
    return ok;
}
