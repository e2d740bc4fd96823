/* Reads the file of subscriptions by libconfuse; never knows what a setting means. */
#include "work_file.h"

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file_text.h"
#include "nearest.h"

enum { MOST_OPTIONS = 40, MOST_SEEN = 4000 };

/* libconfuse's callbacks have no argument: one file is read at a time. */
static struct reading {
    const char *path;
    char *message;
    size_t message_size;
    bool failed;
    const cfg_opt_t *seen[MOST_SEEN];
    size_t n_seen;
} reading;

static void refuse(const cfg_t *cfg, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void refuse(const cfg_t *cfg, const char *format, ...)
{
    if (reading.failed)
        return;
    reading.failed = true;
    int n = cfg ? snprintf(reading.message, reading.message_size, "%s:%d: ", reading.path, cfg->line)
                : snprintf(reading.message, reading.message_size, "%s: ", reading.path);
    va_list ap;
    va_start(ap, format);
    if (n >= 0 && (size_t)n < reading.message_size)
        vsnprintf(reading.message + n, reading.message_size - (size_t)n, format, ap);
    va_end(ap);
}

static void refuse_name(const cfg_t *cfg, const char *name)
{
    nearest best = {0};
    const config_setting *table = cfg && cfg->title ? work_table : work_process_table;
    for (const config_setting *s = table; s->name; s++)
        nearest_consider(&best, name, s->name);
    nearest_consider(&best, name, cfg && cfg->title ? "filter" : "subscription");
    if (best.name)
        refuse(cfg, "there is no setting %s here; did you mean %s?", name, best.name);
    else
        refuse(cfg, "there is no setting %s %s a subscription's section", name,
               cfg && cfg->title ? "in" : "outside of");
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    char text[300];
    va_list rest;
    va_copy(rest, ap);
    const char *name = strstr(format, "'%s'") ? va_arg(rest, const char *) : "";
    va_end(rest);
    if (!name) /* an empty comment stands for a value */
        refuse(cfg, "a value is missing; write NAME = \"VALUE\", one a line, and subscription KEY { … }");
    else if (strcmp(format, "no such option '%s'") != 0) {
        vsnprintf(text, sizeof text, format, ap);
        refuse(cfg, "%s; write NAME = \"VALUE\", one a line, and subscription KEY { … }", text);
    } else if (strcmp(name, FILE_TEXT_END) == 0)
        refuse(NULL, "a section is not closed; write } behind its last line");
    else
        refuse_name(cfg, name);
}

/* libconfuse would take the last of two. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    for (size_t i = 0; i < reading.n_seen; i++)
        if (reading.seen[i] == opt) {
            refuse(cfg, "%s is said twice; say it once", opt->name);
            return -1;
        }
    if (reading.n_seen == MOST_SEEN) {
        refuse(cfg, "there are more than %d settings; use several files and processes", MOST_SEEN);
        return -1;
    }
    reading.seen[reading.n_seen++] = opt;
    *(const char **)result = value;
    return 0;
}

/* The default of a list, which an empty one is told from by it. */
#define UNSAID "\001"
static char unsaid_list[] = "{\"" UNSAID "\"}"; /* libconfuse has no const */

static size_t add_table(cfg_opt_t *options, const config_setting *table)
{
    size_t n = 0;
    for (; table[n].name; n++)
        options[n] = (cfg_opt_t)CFG_STR_CB(table[n].name, NULL, CFGF_NODEFAULT, on_value);
    return n;
}

static bool tell_list(cfg_t *cfg, const char *key, const char *name, work_file_told *told, void *arg,
                      char *why, size_t why_size)
{
    for (unsigned i = 0; i < cfg_size(cfg, name); i++)
        if (strcmp(cfg_getnstr(cfg, name, i), UNSAID) != 0 &&
            !told(arg, key, name, cfg_getnstr(cfg, name, i), why, why_size))
            return false;
    return true;
}

static bool tell(cfg_t *cfg, const char *key, const config_setting *table, const char *list,
                 work_file_told *told, void *arg)
{
    char why[800] = "";
    bool ok = !key || told(arg, key, NULL, NULL, why, sizeof why);
    for (const config_setting *s = table; ok && s->name; s++) {
        const char *value = cfg_size(cfg, s->name) > 0 ? cfg_getstr(cfg, s->name) : NULL;
        if (value)
            ok = told(arg, key, s->name, value, why, sizeof why);
    }
    ok = ok && tell_list(cfg, key, list, told, arg, why, sizeof why);
    if (!ok && key)
        refuse(NULL, "subscription %s: %s", key, why);
    else if (!ok)
        refuse(NULL, "%s", why);
    return ok;
}

static void tell_all(cfg_t *cfg, work_file_told *told, void *arg)
{
    bool ok = tell(cfg, NULL, work_process_table, "consumer", told, arg);
    for (unsigned i = 0; ok && i < cfg_size(cfg, "subscription"); i++) {
        cfg_t *section = cfg_getnsec(cfg, "subscription", i);
        if (cfg_size(section, "filter") == 0) {
            refuse(
                NULL,
                "subscription %s: filter is an empty list, which no event passes; name a condition, or leave "
                "filter out for every event",
                cfg_title(section));
            return;
        }
        ok = tell(section, cfg_title(section), work_table, "filter", told, arg);
    }
}

static void read_text(cfg_opt_t *options, const file_text *f, work_file_told *told, void *arg)
{
    if (f->nul_line > 0)
        refuse(NULL, "there is a byte of zero in line %d; take it out: this file is text", f->nul_line);
    FILE *file = f->text && f->nul_line == 0 ? fmemopen(f->text, f->size, "r") : NULL;
    cfg_t *cfg = file ? cfg_init(options, CFGF_NONE) : NULL;
    if (cfg)
        cfg_set_error_function(cfg, on_error);
    if (!cfg || cfg_parse_fp(cfg, file) != CFG_SUCCESS)
        refuse(NULL, "cannot be read; write NAME = \"VALUE\", one a line, and subscription KEY { … }");
    else
        tell_all(cfg, told, arg);
    if (cfg)
        cfg_free(cfg);
    if (file)
        fclose(file);
}

bool work_file_read(const char *path, work_file_told *told, void *arg, char *message, size_t message_size)
{
    cfg_opt_t within[MOST_OPTIONS], outer[MOST_OPTIONS];
    size_t n = add_table(within, work_table);
    within[n++] = (cfg_opt_t)CFG_STR_LIST("filter", unsaid_list, CFGF_NONE);
    within[n] = (cfg_opt_t)CFG_END();
    n = add_table(outer, work_process_table);
    outer[n++] = (cfg_opt_t)CFG_STR_LIST("consumer", NULL, CFGF_NODEFAULT);
    outer[n++] = (cfg_opt_t)CFG_SEC("subscription", within, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    outer[n++] = (cfg_opt_t)CFG_STR(FILE_TEXT_END, NULL, CFGF_NODEFAULT);
    outer[n] = (cfg_opt_t)CFG_END();
    memset(&reading, 0, sizeof reading);
    reading.path = path;
    reading.message = message;
    reading.message_size = message_size;
    FILE *file = fopen(path, "re");
    if (!file) {
        refuse(NULL, "cannot be opened: %s", strerror(errno));
        return false;
    }
    file_text f = file_text_read(file);
    read_text(outer, &f, told, arg);
    free(f.text);
    fclose(file);
    return !reading.failed;
}
