/* postbus schema: Avro schemas and what they are kept for; and which topics they are bound to; never changes or removes one that was added. */
#include "schema.h"

#include "database.h"

#include <stdlib.h>
#include <string.h>

static const command_option options[] = {
    {.name = "compatibility",
     .kind = OPTION_TEXT,
     .placeholder = "MODE",
     .effect = "add: the subject's mode from now on. check: the mode to judge by. none, backward, "
               "backward-transitive, forward, "
               "forward-transitive, full or full-transitive; default: the subject's, else backward."},
    {.name = "subject",
     .kind = OPTION_TEXT,
     .placeholder = "SUBJECT",
     .effect = "check: against this subject's versions. list: only its versions."},
    {.name = "dry-run",
     .letter = 'n',
     .kind = OPTION_SWITCH,
     .effect = "add: says what would be done, and changes nothing."},
    {.name = "framing",
     .kind = OPTION_TEXT,
     .placeholder = "FRAMING",
     .effect =
         "bind: how a record tells its schema: confluent (a zero byte and the schema's id; the default), "
         "single-object (two bytes and the fingerprint) or none."},
    {.name = "registry",
     .kind = OPTION_SWITCH,
     .effect = "bind: registers the subject's versions in the schema registry, under TOPIC-value, and has "
               "the frames carry its ids instead of the database's."},
    {.name = "json", .kind = OPTION_SWITCH, .effect = "list: prints one JSON object a line."},
    {.name = NULL},
};

/* Which flags each subcommand takes, the others would do nothing; and how many words follow. */
static const struct {
    const char *name, *flags, *synopsis;
    size_t least, most;
} subcommands[] = {
    {"add", " compatibility dry-run ", "add SUBJECT FILE", 2, 2},
    {"list", " subject json ", "list", 0, 0},
    {"show", " ", "show SUBJECT [VERSION]", 1, 2},
    {"check", " compatibility subject ", "check FILE [EARLIER-FILE...]", 1, 100},
    {"bind", " framing registry ", "bind TOPIC SUBJECT", 2, 2},
    {"unbind", " ", "unbind TOPIC", 1, 1},
};
enum { ADD, LIST, SHOW, CHECK, BIND, UNBIND, N_SUBCOMMANDS };

static bool takes_flag(const char *flags, const char *name)
{
    char with_spaces[40];
    snprintf(with_spaces, sizeof with_spaces, " %s ", name);
    return strstr(flags, with_spaces) != NULL;
}

static bool is_version(const char *text)
{
    return *text >= '1' && *text <= '9' && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

/* EXIT_OK, and which subcommand, or what is wrong. */
static int find(const call *c, size_t *out)
{
    for (*out = 0; *out < N_SUBCOMMANDS && strcmp(subcommands[*out].name, c->words[0]) != 0;)
        ++*out;
    if (*out == N_SUBCOMMANDS)
        return misuse(c, "\"%s\" is none of add, list, show, check, bind and unbind", c->words[0]);
    for (size_t i = 0; i < c->n_given; i++)
        if (!takes_flag(subcommands[*out].flags, c->given[i].option->name))
            return misuse(c, "%s takes no --%s; postbus schema --help says which does", c->words[0],
                          c->given[i].option->name);
    size_t n = c->n_words - 1;
    if (n < subcommands[*out].least || n > subcommands[*out].most)
        return misuse(c, "write postbus schema %s", subcommands[*out].synopsis);
    if (*out == SHOW && n == 2 && !is_version(c->words[2]))
        return misuse(c, "\"%s\" is no version; postbus schema list shows them", c->words[2]);
    if (*out == CHECK && n > 1 && call_text(c, "subject"))
        return misuse(c, "either earlier files or --subject say what to check against");
    return EXIT_OK;
}

static int check_framing(const call *c)
{
    const char *name = call_text(c, "framing");
    if (name && call_has(c, "registry") && strcmp(name, "confluent") != 0)
        return misuse(c, "only the framing confluent has a registry's ids; leave out --framing");
    if (!name || strcmp(name, "confluent") == 0 || strcmp(name, "single-object") == 0 ||
        strcmp(name, "none") == 0)
        return EXIT_OK;
    return misuse(c, "\"%s\" is no framing; write confluent, single-object or none", name);
}

static int check_mode(const call *c)
{
    pbus_compatibility mode;
    pbus_error err;
    const char *name = call_text(c, "compatibility");
    return name && pbus_compatibility_parse(name, &mode, &err) != PBUS_OK ? misuse(c, "%s", err.message)
                                                                          : EXIT_OK;
}

static int run_one(const call *c, PGconn *conn, size_t which)
{
    switch (which) {
    case ADD:
        return schema_add(c, conn);
    case LIST:
        return schema_list(c, conn);
    case SHOW:
        return schema_show(c, conn);
    case BIND:
        return schema_bind(c, conn);
    case UNBIND:
        return schema_unbind(c, conn);
    default:
        return schema_check_subject(c, conn);
    }
}

static int run(const call *c)
{
    size_t which;
    int code = find(c, &which);
    if (code == EXIT_OK)
        code = check_mode(c);
    if (code == EXIT_OK)
        code = check_framing(c);
    if (code != EXIT_OK)
        return code;
    if (which == CHECK && !call_text(c, "subject"))
        return schema_check_files(c);
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    code = run_one(c, conn, which);
    PQfinish(conn);
    return code;
}

const command command_schema = {
    .name = "schema",
    .synopsis = "add SUBJECT FILE | list | show SUBJECT [VERSION] | check FILE [EARLIER-FILE...] | "
                "bind TOPIC SUBJECT | unbind TOPIC",
    .summary = "checks Avro schemas, and keeps their versions in the database",
    .description =
        "add makes the schema of an .avsc file the newest version of a subject, mostly a topic's name and "
        "-value, and prints the version and "
        "the schema's id. One that is not compatible with the earlier versions, by the subject's mode, is "
        "refused: each place that stands "
        "against it is named, with the reason. A schema that the subject has already is not added "
        "again; its check is made anew, as this version of postbus makes it.\n\n"
        "bind makes a topic's events Avro: JSON that is published to it is checked by the subject's newest "
        "schema before the publisher's transaction commits, and the relay encodes it with that schema. "
        "unbind "
        "ends that. Publishers wait for neither; the first bind of a database waits for a moment in which no "
        "transaction that has published is open.\n\n"
        "bind --registry registers all versions of the subject in Confluent's Schema Registry "
        "(registry_url), "
        "under the name TOPIC-value, and keeps their ids: any client that knows the registry reads the "
        "topic. "
        "From then on add registers each new version there before it counts. The registry is asked by these "
        "two commands alone: publishers and the relay go on while it is away.\n\n"
        "list shows the versions, and which topics are bound to each subject, in which framing and with the "
        "ids of which registry; show prints a schema's text as "
        "it was added.\n\n"
        "check does not change anything. Without --subject it needs no database: it reads the file and, "
        "where earlier files are given (the "
        "oldest first), says whether the schema is compatible with them. It ends with 4 where it is not. "
        "check "
        "and add warn of dates and times that are read as another logical type, such as timestamp-millis as "
        "timestamp-micros: that is compatible, and converts nothing.\n\n"
        "The modes: backward: the new schema reads what the latest one wrote; forward: the latest one reads "
        "what the new one writes; full: "
        "both; with -transitive: not the latest alone, but all; none: anything goes. For add, bind and "
        "unbind, "
        "the role must own the schema postbus; "
        "postbus_viewer may do the rest.",
    .examples = "postbus schema bind orders orders-value\n"
                "postbus schema bind orders orders-value --registry --registry-url "
                "https://registry:8081\npostbus schema check order.avsc\npostbus schema "
                "check order-2.avsc order-1.avsc "
                "--compatibility full\n"
                "postbus schema add orders-value order.avsc --compatibility backward-transitive\npostbus "
                "schema show orders-value 1",
    .options = options,
    .takes = TAKES_DATABASE | TAKES_REGISTRY,
    .least_words = 1,
    .most_words = 101,
    .words_remedy =
        "write postbus schema add SUBJECT FILE, list, show SUBJECT, check FILE, bind TOPIC SUBJECT or "
        "unbind TOPIC",
    .run = run,
};
