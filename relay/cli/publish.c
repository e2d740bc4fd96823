/* postbus publish: one event by the SQL interface; many lines are publish_lines.c's. */
#include "command.h"

#include "database.h"
#include "postbus_sql.h"
#include "publish_input.h"
#include "publish_lines.h"

#include <stdlib.h>
#include <string.h>

#define READ_LIMIT_BYTES (1 << 30) /* PostgreSQL's own limit of a value */

static const command_option options[] = {
    {.name = "key",
     .letter = 'k',
     .kind = OPTION_TEXT,
     .placeholder = "KEY",
     .effect =
         "The events' key: events of one key keep their order. Without it an event goes to any partition."},
    {.name = "type",
     .letter = 't',
     .kind = OPTION_TEXT,
     .placeholder = "TYPE",
     .effect = "The events' type, such as order.created."},
    {.name = "header",
     .letter = 'H',
     .kind = OPTION_TEXT,
     .repeated = true,
     .placeholder = "NAME=VALUE",
     .effect = "A header; may be given several times, each with another name."},
    {.name = "file",
     .letter = 'f',
     .kind = OPTION_TEXT,
     .placeholder = "FILE",
     .effect = "Takes the value (with --lines: the lines) from this file; - is standard input."},
    {.name = "tombstone",
     .kind = OPTION_SWITCH,
     .effect = "Publishes no value (NULL): on a compacted topic it deletes the key."},
    {.name = "lines",
     .letter = 'l',
     .kind = OPTION_SWITCH,
     .effect = "Publishes each line of the file, or of standard input, as an event of its own, in one "
               "transaction. Empty lines are "
               "passed over."},
    {.name = "key-field",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .effect = "With --lines: each line is a JSON object, and this member of it is the event's key."},
    {.name = "batch",
     .kind = OPTION_COUNT,
     .placeholder = "N",
     .lowest = 1,
     .highest = 10000000,
     .effect = "With --lines: commits after each N lines instead of all at once."},
    {.name = NULL},
};

static bool read_all(const call *c, FILE *file, char **out, size_t *out_size)
{
    char *text = NULL, block[65536];
    FILE *to = open_memstream(&text, out_size);
    size_t n, total = 0;
    while (to && total <= READ_LIMIT_BYTES && (n = fread(block, 1, sizeof block, file)) > 0)
        total += fwrite(block, 1, n, to);
    bool ok = to && !ferror(file) && total <= READ_LIMIT_BYTES;
    if (to && fclose(to) != 0)
        ok = false;
    if (!ok) {
        fault(c, total > READ_LIMIT_BYTES
                     ? "the value is larger than 1 GiB; publish a reference to it instead"
                     : "the value cannot be read to its end");
        free(text);
        text = NULL;
    }
    *out = text;
    return ok;
}

/* The value, by whichever way it is given; *out stays NULL for a tombstone. */
static int read_value(const call *c, char **out, size_t *out_size)
{
    const char *word = c->n_words > 1 ? c->words[1] : NULL, *path = call_text(c, "file");
    bool tombstone = call_has(c, "tombstone");
    *out = NULL;
    int ways = (word != NULL) + (path != NULL) + tombstone;
    if (ways == 0)
        return misuse(c, "no value is given; write it behind the topic, or - for standard input, --file FILE "
                         "or --tombstone");
    if (ways > 1)
        return misuse(c,
                      "the value is given in more than one way; use one of VALUE, -, --file and --tombstone");
    if (tombstone && !call_has(c, "key"))
        return misuse(c, "a tombstone without a key deletes nothing; give --key");
    if (tombstone)
        return EXIT_OK;
    if (word && strcmp(word, "-") != 0) {
        *out_size = strlen(word);
        *out = strdup(word);
        return *out ? EXIT_OK : fault(c, "out of memory");
    }
    FILE *file = publish_input_open(c, path ? path : "-");
    if (!file)
        return EXIT_FAULT;
    bool ok = read_all(c, file, out, out_size);
    if (file != stdin)
        fclose(file);
    return ok ? EXIT_OK : EXIT_FAULT;
}

static int send_event(const call *c, const char *value, size_t size, const char *headers)
{
    int code;
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    const char *key = call_text(c, "key");
    const char *values[] = {c->words[0], value, key, call_text(c, "type"), headers};
    int lengths[] = {0, (int)size, key ? (int)strlen(key) : 0, 0, 0}, formats[] = {0, 1, 1, 0, 0};
    PGresult *result = PQexecParams(conn, sql_query("publish_one"), 5, NULL, values, lengths, formats, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        printf("published %s, event id %s\n", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
    else
        code = database_fault(
            c, conn, result,
            database_answer_lost(conn, result)
                ? "whether it was published is not known: look for it before you publish it again"
                : "nothing was published");
    PQclear(result);
    PQfinish(conn);
    return code;
}

static int publish_one(const call *c)
{
    if (call_has(c, "key-field") || call_has(c, "batch"))
        return misuse(c, "--key-field and --batch are for many events; give --lines too");
    char *value = NULL, *headers = NULL;
    size_t size = 0;
    if (!publish_input_headers(c, &headers))
        return EXIT_USAGE;
    int code = read_value(c, &value, &size);
    if (code == EXIT_OK)
        code = send_event(c, value, size, headers);
    free(value);
    free(headers);
    return code;
}

static int run(const call *c)
{
    return call_has(c, "lines") ? publish_lines(c) : publish_one(c);
}

const command command_publish = {
    .name = "publish",
    .synopsis = "TOPIC [VALUE | -]",
    .summary = "publishes an event, or each line of a file as one",
    .description = "Publishes an event by the function postbus.publish, in a transaction of its own, and "
                   "prints its row id and event id. A relay "
                   "brings it to Kafka; none has to run now.\n\n"
                   "With --lines each line of a file is an event. They are published in one transaction, all "
                   "or none, unless --batch says otherwise.",
    .examples = "postbus publish orders '{\"order\": 17}' --key 17 --type order.created\n"
                "postbus publish orders --tombstone --key 17\n"
                "postbus publish pictures --file picture.png --header content-type=image/png\n"
                "postbus publish orders --lines --file orders.jsonl --key-field order --batch 10000",
    .options = options,
    .takes = TAKES_DATABASE,
    .least_words = 1,
    .most_words = 2,
    .words_remedy = "write postbus publish TOPIC VALUE (a value with spaces in quotes)",
    .run = run,
};
