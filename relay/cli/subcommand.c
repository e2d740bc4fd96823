/* Finds what a command's first word names; must never run it with a flag that would do nothing. */
#include "subcommand.h"

#include <stdlib.h>
#include <string.h>

#include "database.h"

static bool takes_flag(const subcommand *one, const char *name)
{
    char with_spaces[40];
    snprintf(with_spaces, sizeof with_spaces, " %s ", name);
    return strstr(one->flags, with_spaces) != NULL;
}

static void none_of(const call *c, const subcommand *all)
{
    char names[200] = "";
    for (size_t i = 0, n = 0; all[i].name && n < sizeof names; i++) {
        const char *before = i == 0 ? "" : all[i + 1].name ? ", " : " and ";
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", before, all[i].name);
    }
    misuse(c, "\"%s\" is none of %s", c->words[0], names);
}

static bool is_well_called(const call *c, const subcommand *one)
{
    const char *of = c->command->name;
    for (size_t i = 0; i < c->n_given; i++)
        if (!takes_flag(one, c->given[i].option->name)) {
            misuse(c, "%s takes no --%s; postbus %s --help says which does", one->name,
                   c->given[i].option->name, of);
            return false;
        }
    size_t n = c->n_words > 0 ? c->n_words - 1 : 0;
    if (n >= one->least_words && n <= one->most_words)
        return true;
    misuse(c, "write postbus %s %s%s%s", of, one->name, one->synopsis ? " " : "",
           one->synopsis ? one->synopsis : "");
    return false;
}

const subcommand *subcommand_find(const call *c, const subcommand *all, int *out_code)
{
    const subcommand *one = all;
    while (one->name && c->n_words > 0 && strcmp(one->name, c->words[0]) != 0)
        one++;
    if (!one->name)
        none_of(c, all);
    bool ok = one->name && is_well_called(c, one);
    *out_code = ok ? EXIT_OK : EXIT_USAGE;
    return ok ? one : NULL;
}

int subcommand_run(const call *c, const subcommand *one)
{
    int code;
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    code = one->run(c, conn);
    PQfinish(conn);
    return code;
}

bool subcommand_is_number(const call *c, const char *word, const char *noun, const char *list)
{
    char *end;
    if (*word >= '1' && *word <= '9' && strtoll(word, &end, 10) > 0 && *end == '\0' && strlen(word) < 20)
        return true;
    misuse(c, "\"%s\" is no %s's number; %s shows them", word, noun, list);
    return false;
}
