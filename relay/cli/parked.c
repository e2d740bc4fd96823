/* postbus parked: shows events that were set aside and records what shall become of them; never talks to a relay or to Kafka. */
#include "parked.h"

#include "subcommand.h"

static const command_option options[] = {
    {.name = "json", .kind = OPTION_SWITCH, .effect = "list, show and audit: prints one JSON object a line."},
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
     .effect = "list and audit: at most so many; default 100."},
    {.name = "dead", .kind = OPTION_SWITCH, .effect = "list: discarded events, in place of parked ones."},
    {.name = "key",
     .kind = OPTION_TEXT,
     .placeholder = "KEY",
     .effect =
         "redrive: only events of this key: text, or as list prints it, \\x and hex of what is no text."},
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

static const subcommand subcommands[] = {
    {"list", NULL, 0, 0, " json topic reason limit dead ", parked_list},
    {"show", "ID", 1, 1, " json ", parked_show},
    {"redrive", NULL, 0, 0, " topic key id reason older-than why dry-run yes ", parked_redrive},
    {"discard", "ID", 1, 1, " reason yes ", parked_discard},
    {"audit", NULL, 0, 0, " json limit ", parked_audit},
    {.name = NULL},
};

static int run(const call *c)
{
    int code;
    const subcommand *one = subcommand_find(c, subcommands, &code);
    if (one && c->n_words > 1 && !subcommand_is_number(c, c->words[1], "event", "postbus parked list"))
        return EXIT_USAGE;
    return one ? subcommand_run(c, one) : code;
}

const command command_parked = {
    .name = "parked",
    .synopsis = "list | show ID | redrive | discard ID | audit",
    .summary = "shows events that were set aside, sends them again or discards them",
    .description =
        "list shows the events that the relay set aside, and why: those of a missing topic, which leave by "
        "themselves, those that the brokers refused for good, and those that wait behind one of their "
        "key.\n\n"
        "redrive asks the relay to send refused events again: all, or those that the flags choose. What "
        "waits "
        "behind them follows by itself, in order. What is refused again is parked again.\n\n"
        "discard gives an event up for good: it is never published, postbus.event and list --dead show it, "
        "and "
        "its key goes on. It needs --reason. What is on its way to a broker at that moment may be published "
        "all the same: show says afterwards whether an event is dead or published.\n\n"
        "redrive and discard work while no relay runs: they record the wish, which the next leader carries "
        "out, and who wished it in postbus.audit, which audit shows. A later wish takes the place of an "
        "earlier one: discard that of a redrive, and redrive --id that of a discard. They ask before more "
        "than 10 events, "
        "those behind them included, and before each discard; where there is no terminal to ask on, they "
        "want "
        "--yes. The role postbus_operator may do all of it, postbus_viewer list, show and audit.",
    .examples = "postbus parked list --topic orders\npostbus parked show 4711\n"
                "postbus parked redrive --topic orders --older-than \"1 hour\" --dry-run\n"
                "postbus parked discard 4711 --reason \"sent by hand\" --yes",
    .options = options,
    .takes = TAKES_DATABASE,
    .least_words = 1,
    .most_words = 2,
    .words_remedy = "write postbus parked list, show ID, redrive, discard ID or audit",
    .run = run,
};
