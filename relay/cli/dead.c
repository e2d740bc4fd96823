/* postbus dead: shows dead letters of subscribers, has them tried again or removes them; never talks to a worker or to Kafka. */
#include "dead.h"

#include "subcommand.h"

static const command_option options[] = {
    {.name = "json", .kind = OPTION_SWITCH, .effect = "list, show and audit: prints one JSON object a line."},
    {.name = "application",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .effect = "list, redrive and discard: only dead letters of this application."},
    {.name = "subscription",
     .kind = OPTION_TEXT,
     .placeholder = "KEY",
     .effect = "list, redrive and discard: only dead letters of this subscription."},
    {.name = "topic",
     .kind = OPTION_TEXT,
     .placeholder = "TOPIC",
     .effect = "list, redrive and discard: only events of this topic."},
    {.name = "key",
     .kind = OPTION_TEXT,
     .placeholder = "KEY",
     .effect = "redrive and discard: only events of this key: text, or as list prints it, \\x and hex of "
               "what is no "
               "text."},
    {.name = "reason",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "list, redrive and discard: only those that are dead for this reason: exhausted, rejected, "
               "unreadable, forgotten or transaction_ended. discard ID, without --why: why."},
    {.name = "limit",
     .kind = OPTION_COUNT,
     .placeholder = "N",
     .lowest = 1,
     .highest = 1000000000,
     .effect = "list and audit: at most so many; default 100."},
    {.name = "id",
     .kind = OPTION_COUNT,
     .placeholder = "ID",
     .lowest = 1,
     .highest = INT64_MAX,
     .effect = "redrive: only this one."},
    {.name = "older-than",
     .kind = OPTION_TEXT,
     .placeholder = "INTERVAL",
     .effect = "redrive and discard: only those that have been dead for longer, such as \"2 hours\"."},
    {.name = "why",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "redrive: a remark for postbus_inbox.audit. discard: why they shall never be handled; it is "
               "kept there."},
    {.name = "value", .kind = OPTION_SWITCH, .effect = "show: with the value and the headers."},
    {.name = "schema",
     .kind = OPTION_TEXT,
     .placeholder = "FILE",
     .effect = "show --value: the schema, an .avsc file, of a value that is Avro and that the database has "
               "none for."},
    {.name = "dry-run",
     .kind = OPTION_SWITCH,
     .effect = "redrive and discard: says how many, and does nothing."},
    {.name = "yes", .letter = 'y', .kind = OPTION_SWITCH, .effect = "redrive and discard: does not ask."},
    {.name = NULL},
};

static const subcommand subcommands[] = {
    {"list", NULL, 0, 0, " json application subscription topic reason limit ", dead_list},
    {"show", "ID", 1, 1, " json value schema ", dead_show},
    {"redrive", NULL, 0, 0, " application subscription topic key reason id older-than why dry-run yes ",
     dead_redrive},
    {"discard", "[ID]", 0, 1, " application subscription topic key reason older-than why dry-run yes ",
     dead_discard},
    {"audit", NULL, 0, 0, " json limit ", dead_audit},
    {.name = NULL},
};

static int run(const call *c)
{
    int code;
    const subcommand *one = subcommand_find(c, subcommands, &code);
    if (one && c->n_words > 1 && !subcommand_is_number(c, c->words[1], "dead letter", "postbus dead list"))
        return EXIT_USAGE;
    return one ? subcommand_run(c, one) : code;
}

const command command_dead = {
    .name = "dead",
    .synopsis = "list | show ID | redrive | discard [ID] | audit",
    .summary = "shows dead letters of subscribers, has them tried again or removes them",
    .description =
        "For the database of an application that subscribes (postbus migrate --subscriber).\n\n"
        "list shows the events that a subscription gave up, the newest first; show shows one with the "
        "history "
        "of its attempts, and with --value what was in it: Avro as JSON, where its frame names a schema that "
        "postbus schema keeps in this database or a schema registry (registry_url) has, or with --schema.\n\n"
        "redrive has them tried again: all, or those that the flags choose, in their order, with all their "
        "attempts ahead and their history kept. A running worker takes them up within a second; those of a "
        "subscription that nobody works wait. While one waits or is tried, later events of its key wait "
        "behind "
        "it.\n\n"
        "discard removes one for good, or those that the flags choose, all or none. It needs --why.\n\n"
        "Who did it, when and why is written to postbus_inbox.audit, with what each discarded one was; audit "
        "shows it. redrive asks before more than 10, discard always; where "
        "there is no terminal to ask on, they want --yes. The role postbus_operator may do all of it, "
        "postbus_viewer list, show and audit. What --value shows is the application's: only the role "
        "postbus_subscriber may see it.",
    .examples =
        "postbus dead list --application shop --reason exhausted\npostbus dead show 4711 --value\n"
        "postbus dead redrive --subscription invoices --older-than \"1 hour\" --dry-run\n"
        "postbus dead discard 4711 --why \"invoiced by hand\" --yes\n"
        "postbus dead discard --subscription mails --older-than \"30 days\" --why \"too late\" --dry-run\n"
        "postbus dead audit --json",
    .options = options,
    .takes = TAKES_DATABASE | TAKES_REGISTRY,
    .least_words = 1,
    .most_words = 2,
    .words_remedy = "write postbus dead list, show ID, redrive, discard ID or audit",
    .run = run,
};
