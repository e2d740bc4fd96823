/* postbus parked: shows events that were set aside and records what shall become of them; never talks to a relay or to Kafka. */
#include "parked.h"

#include "database.h"

#include <stdlib.h>
#include <string.h>

static const command_option options[] = {
    {.name = "json", .kind = OPTION_SWITCH, .effect = "list and show: prints one JSON object a line."},
    {.name = "topic",
     .kind = OPTION_TEXT,
     .placeholder = "TOPIC",
     .effect = "list and redrive: only events of this topic."},
    {.name = "reason",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "list and redrive: only events parked for this reason, such as record_too_large. discard: "
               "why; it is kept with the event."},
    {.name = "limit",
     .kind = OPTION_COUNT,
     .placeholder = "N",
     .lowest = 1,
     .highest = 1000000000,
     .effect = "list: at most so many events; default 100."},
    {.name = "key", .kind = OPTION_TEXT, .placeholder = "KEY", .effect = "redrive: only events of this key."},
    {.name = "id",
     .kind = OPTION_COUNT,
     .placeholder = "ID",
     .lowest = 1,
     .highest = INT64_MAX,
     .effect = "redrive: only this event."},
    {.name = "older-than",
     .kind = OPTION_TEXT,
     .placeholder = "INTERVAL",
     .effect = "redrive: only events that were parked longer ago, such as \"2 hours\"."},
    {.name = "why",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "redrive: a remark for postbus.audit."},
    {.name = "dry-run", .kind = OPTION_SWITCH, .effect = "redrive: says how many events, and does nothing."},
    {.name = "yes", .letter = 'y', .kind = OPTION_SWITCH, .effect = "redrive and discard: does not ask."},
    {.name = NULL},
};

/* Which flags each subcommand takes; the others would do nothing. */
static const struct {
    const char *name, *flags;
    bool wants_id;
} subcommands[] = {
    {"list", " json topic reason limit ", false},
    {"show", " json ", true},
    {"redrive", " topic key id reason older-than why dry-run yes ", false},
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
            return misuse(c, "%s takes no --%s; postbus parked --help says which does", c->words[0],
                          c->given[i].option->name);
    if (!subcommands[*out].wants_id)
        return c->n_words == 1 ? EXIT_OK : misuse(c, "\"%s\" is one word too many", c->words[1]);
    if (c->n_words < 2)
        return misuse(c, "the event is missing; write postbus parked %s ID", c->words[0]);
    if (!is_id(c->words[1]))
        return misuse(c, "\"%s\" is no event's number; postbus parked list shows them", c->words[1]);
    return EXIT_OK;
}

static int run_one(const call *c, PGconn *conn, size_t which)
{
    switch (which) {
    case 0:
        return parked_list(c, conn);
    case 1:
        return parked_show(c, conn, c->words[1]);
    case 2:
        return parked_redrive(c, conn);
    default:
        return parked_discard(c, conn, c->words[1]);
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

const command command_parked = {
    .name = "parked",
    .synopsis = "list | show ID | redrive | discard ID",
    .summary = "shows events that were set aside, sends them again or discards them",
    .description =
        "list shows the events that the relay set aside, and why: those of a missing topic, which leave by "
        "themselves, those that the brokers refused for good, and those that wait behind one of their "
        "key.\n\n"
        "redrive asks the relay to send refused events again: all, or those that the flags choose. What "
        "waits "
        "behind them follows by itself, in order. What is refused again is parked again.\n\n"
        "discard gives an event up for good: it is never published, postbus.event shows it as dead, and its "
        "key "
        "goes on. It needs --reason.\n\n"
        "redrive and discard work while no relay runs: they record the wish, which the next leader carries "
        "out, and who wished it in postbus.audit. They ask before more than 10 events, and before each "
        "discard; "
        "where "
        "there is no terminal to ask on, they want --yes. The role postbus_operator may do all of it, "
        "postbus_viewer "
        "list and show.",
    .examples = "postbus parked list --topic orders\npostbus parked show 4711\n"
                "postbus parked redrive --topic orders --older-than \"1 hour\" --dry-run\n"
                "postbus parked discard 4711 --reason \"sent by hand\" --yes",
    .options = options,
    .takes = TAKES_DATABASE,
    .least_words = 1,
    .most_words = 2,
    .words_remedy = "write postbus parked list, show ID, redrive or discard ID",
    .run = run,
};
