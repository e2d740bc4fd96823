/* postbus dead: shows dead letters of subscribers, has them tried again or removes them; never talks to a worker or to Kafka. */
#include "dead.h"

#include "database.h"

#include <stdlib.h>
#include <string.h>

static const command_option options[] = {
    {.name = "json", .kind = OPTION_SWITCH, .effect = "list and show: prints one JSON object a line."},
    {.name = "application",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .effect = "list and redrive: only dead letters of this application."},
    {.name = "subscription",
     .kind = OPTION_TEXT,
     .placeholder = "KEY",
     .effect = "list and redrive: only dead letters of this subscription."},
    {.name = "topic",
     .kind = OPTION_TEXT,
     .placeholder = "TOPIC",
     .effect = "list and redrive: only events of this topic."},
    {.name = "reason",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "list and redrive: only those that are dead for this reason: exhausted, rejected, unreadable, "
               "forgotten or transaction_ended. discard: why; it is kept in postbus_inbox.audit."},
    {.name = "limit",
     .kind = OPTION_COUNT,
     .placeholder = "N",
     .lowest = 1,
     .highest = 1000000000,
     .effect = "list: at most so many; default 100."},
    {.name = "id",
     .kind = OPTION_COUNT,
     .placeholder = "ID",
     .lowest = 1,
     .highest = INT64_MAX,
     .effect = "redrive: only this one."},
    {.name = "older-than",
     .kind = OPTION_TEXT,
     .placeholder = "INTERVAL",
     .effect = "redrive: only those that have been dead for longer, such as \"2 hours\"."},
    {.name = "why",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "redrive: a remark for postbus_inbox.audit."},
    {.name = "value", .kind = OPTION_SWITCH, .effect = "show: with the value and the headers."},
    {.name = "dry-run", .kind = OPTION_SWITCH, .effect = "redrive: says how many, and does nothing."},
    {.name = "yes", .letter = 'y', .kind = OPTION_SWITCH, .effect = "redrive and discard: does not ask."},
    {.name = NULL},
};

/* Which flags each subcommand takes; the others would do nothing. */
static const struct {
    const char *name, *flags;
    bool wants_id;
} subcommands[] = {
    {"list", " json application subscription topic reason limit ", false},
    {"show", " json value ", true},
    {"redrive", " application subscription topic reason id older-than why dry-run yes ", false},
    {"discard", " reason yes ", true},
};

static bool takes_flag(const char *flags, const char *name)
{
    char with_spaces[40];
    snprintf(with_spaces, sizeof with_spaces, " %s ", name);
    return strstr(flags, with_spaces) != NULL;
}

static bool is_id(const char *text)
{
    char *end;
    return *text >= '1' && *text <= '9' && strtoll(text, &end, 10) > 0 && *end == '\0' && strlen(text) < 20;
}

/* EXIT_OK, and which subcommand, or what is wrong. */
static int find(const call *c, size_t *out)
{
    size_t n = sizeof subcommands / sizeof subcommands[0];
    for (*out = 0; *out < n && strcmp(subcommands[*out].name, c->words[0]) != 0;)
        ++*out;
    if (*out == n)
        return misuse(c, "\"%s\" is none of list, show, redrive and discard", c->words[0]);
    for (size_t i = 0; i < c->n_given; i++)
        if (!takes_flag(subcommands[*out].flags, c->given[i].option->name))
            return misuse(c, "%s takes no --%s; postbus dead --help says which does", c->words[0],
                          c->given[i].option->name);
    if (!subcommands[*out].wants_id)
        return c->n_words == 1 ? EXIT_OK : misuse(c, "\"%s\" is one word too many", c->words[1]);
    if (c->n_words < 2)
        return misuse(c, "the dead letter is missing; write postbus dead %s ID", c->words[0]);
    if (!is_id(c->words[1]))
        return misuse(c, "\"%s\" is no dead letter's number; postbus dead list shows them", c->words[1]);
    return EXIT_OK;
}

static int run_one(const call *c, PGconn *conn, size_t which)
{
    switch (which) {
    case 0:
        return dead_list(c, conn);
    case 1:
        return dead_show(c, conn, c->words[1]);
    case 2:
        return dead_redrive(c, conn);
    default:
        return dead_discard(c, conn, c->words[1]);
    }
}

static int run(const call *c)
{
    size_t which;
    int code = find(c, &which);
    if (code != EXIT_OK)
        return code;
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    code = run_one(c, conn, which);
    PQfinish(conn);
    return code;
}

const command command_dead = {
    .name = "dead",
    .synopsis = "list | show ID | redrive | discard ID",
    .summary = "shows dead letters of subscribers, has them tried again or removes them",
    .description =
        "For the database of an application that subscribes (postbus migrate --subscriber).\n\n"
        "list shows the events that a subscription gave up, the newest first; show shows one with the "
        "history "
        "of its attempts, and with --value what was in it.\n\n"
        "redrive has them tried again: all, or those that the flags choose, in their order, with all their "
        "attempts ahead and their history kept. A running worker takes them up within a second; those of a "
        "subscription that nobody works wait. While one waits or is tried, later events of its key wait "
        "behind "
        "it.\n\n"
        "discard removes one for good. It needs --reason.\n\n"
        "Who did it is written to postbus_inbox.audit. redrive asks before more than 10, discard always; "
        "where "
        "there is no terminal to ask on, they want --yes. The role postbus_operator may do all of it, "
        "postbus_viewer list and show.",
    .examples = "postbus dead list --application shop --reason exhausted\npostbus dead show 4711 --value\n"
                "postbus dead redrive --subscription invoices --older-than \"1 hour\" --dry-run\n"
                "postbus dead discard 4711 --reason \"invoiced by hand\" --yes",
    .options = options,
    .takes = TAKES_DATABASE,
    .least_words = 1,
    .most_words = 2,
    .words_remedy = "write postbus dead list, show ID, redrive or discard ID",
    .run = run,
};
