/* What a configuration file says, section by section, until it is applied; never knows what a setting means. */
#include "config_load.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_NAME 63

static void line_free(config_line *line)
{
    free(line->section);
    free(line->name);
    free(line->value);
    free(line->source);
}

bool config_lines_add(config_lines *lines, const char *section, const char *name, const char *value,
                      const char *source)
{
    config_line *grown = realloc(lines->each, (lines->n + 1) * sizeof *grown);
    if (!grown)
        return false;
    lines->each = grown;
    config_line line = {section ? strdup(section) : NULL, strdup(name), strdup(value), strdup(source)};
    if ((section && !line.section) || !line.name || !line.value || !line.source) {
        line_free(&line);
        return false;
    }
    lines->each[lines->n++] = line;
    return true;
}

bool config_lines_add_section(config_lines *lines, const char *section)
{
    char **grown = realloc(lines->sections, (lines->n_sections + 1) * sizeof *grown);
    if (!grown)
        return false;
    lines->sections = grown;
    grown[lines->n_sections] = strdup(section);
    return grown[lines->n_sections] && ++lines->n_sections;
}

void config_lines_done(config_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        line_free(&lines->each[i]);
    for (size_t i = 0; i < lines->n_sections; i++)
        free(lines->sections[i]);
    free(lines->each);
    free(lines->sections);
    *lines = (config_lines){0};
}

static bool is_of(const config_line *line, const char *section)
{
    return section ? line->section && strcmp(line->section, section) == 0 : !line->section;
}

bool config_lines_apply(config_load_state *state, const char *section)
{
    for (size_t i = 0; i < state->lines.n; i++) {
        const config_line *line = &state->lines.each[i];
        if (is_of(line, section) && !config_apply(state, line->name, line->value, line->name, line->source))
            return false;
    }
    return true;
}

bool config_section_name_is_good(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t length = strlen(name);
    return length > 0 && length <= LONGEST_NAME && strspn(name, letters) == length;
}

void config_section_names(const config_lines *lines, char *out, size_t out_size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < lines->n_sections && at < out_size; i++)
        at += (size_t)snprintf(out + at, out_size - at, "%s%s",
                               i == 0                      ? ""
                               : i + 1 < lines->n_sections ? ", "
                                                           : " and ",
                               lines->sections[i]);
}

/* ---- which database ---- */

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && options->val[0] ? options->val : NULL;
    return NULL;
}

static const char *said_or_preset(const PQconninfoOption *said, const PQconninfoOption *preset,
                                  const char *keyword)
{
    const char *value = value_of(said, keyword);
    return value ? value : value_of(preset, keyword);
}

/* Without a name libpq takes the user's. */
static const char *name_of(const PQconninfoOption *said, const PQconninfoOption *preset)
{
    const char *name = said_or_preset(said, preset, "dbname");
    return name ? name : said_or_preset(said, preset, "user");
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool config_same_database(const char *a, const char *b)
{
    static const char *const where[] = {"service", "host", "hostaddr", "port"};
    PQconninfoOption *preset = PQconndefaults(), *x = PQconninfoParse(a, NULL), *y = PQconninfoParse(b, NULL);
    bool is = x && y && same(name_of(x, preset), name_of(y, preset));
    for (size_t i = 0; is && i < sizeof where / sizeof where[0]; i++)
        is = same(said_or_preset(x, preset, where[i]), said_or_preset(y, preset, where[i]));
    PQconninfoFree(x);
    PQconninfoFree(y);
    PQconninfoFree(preset);
    return is;
}
