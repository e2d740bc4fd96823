/* postbus subscriptions: shows what applications subscribe to, and how far each is; changes nothing. */
#include "command.h"

#include "database.h"
#include "postbus_sql.h"
#include "row_json.h"

#include <stdlib.h>

static const command_option options[] = {
    {.name = "json",
     .kind = OPTION_SWITCH,
     .effect = "Prints one JSON object a line, with filter and options."},
    {.name = "application",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .effect = "Only those of this application."},
    {.name = "ended", .kind = OPTION_SWITCH, .effect = "Also those that have ended."},
    {.name = NULL},
};

enum column {
    S_APPLICATION,
    S_KEY,
    S_TOPICS,
    S_FILTER,
    S_OPTIONS,
    S_SUBSCRIBED_AT,
    S_ENDED_AT,
    S_PARTITIONS,
    S_MOVED_AT,
    S_WAITING,
    S_DEAD,
    S_GAPS
};

static void print_row(const PGresult *rows, int row)
{
    char *moved_at = row_text(rows, row, S_MOVED_AT);
    printf("%-16s %-16s %10s %-20s %10s %10s %5s  %s%s\n", PQgetvalue(rows, row, S_APPLICATION),
           PQgetvalue(rows, row, S_KEY), PQgetvalue(rows, row, S_PARTITIONS), moved_at ? moved_at : "",
           PQgetvalue(rows, row, S_WAITING), PQgetvalue(rows, row, S_DEAD), PQgetvalue(rows, row, S_GAPS),
           PQgetvalue(rows, row, S_TOPICS), PQgetisnull(rows, row, S_ENDED_AT) ? "" : "  ended");
    free(moved_at);
}

static void print(const call *c, const PGresult *rows)
{
    int n = PQntuples(rows);
    if (n == 0 && !call_has(c, "json"))
        puts("there are no subscriptions");
    else if (!call_has(c, "json"))
        printf("%-16s %-16s %10s %-20s %10s %10s %5s  %s\n", "application", "subscription", "partitions",
               "moved at", "waiting", "dead", "gaps", "topics");
    for (int i = 0; i < n; i++) {
        if (!call_has(c, "json")) {
            print_row(rows, i);
            continue;
        }
        row_print_json(rows, i);
    }
}

static int run(const call *c)
{
    int code;
    const char *params[] = {call_text(c, "application"), call_has(c, "ended") ? "t" : "f"};
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    PGresult *rows = database_query(c, conn, "subscriptions cannot be read",
                                    subscriber_sql_query("subscriptions"), 2, params);
    code = rows ? EXIT_OK : EXIT_FAULT;
    if (rows)
        print(c, rows);
    PQclear(rows);
    PQfinish(conn);
    return code;
}

const command command_subscriptions = {
    .name = "subscriptions",
    .synopsis = "",
    .summary = "shows what applications subscribe to, and how far each is",
    .description = "For the database of an application that subscribes (postbus migrate --subscriber). Of "
                   "each subscription: how "
                   "many partitions it has read, when its position moved last, how many events wait for "
                   "another attempt, how many "
                   "are dead letters, and in how many places events were gone before they were read "
                   "(postbus_inbox.gap).\n\n"
                   "The role postbus_viewer may do it.",
    .examples =
        "postbus subscriptions --database service=billing\npostbus subscriptions --application shop --json",
    .options = options,
    .takes = TAKES_DATABASE,
    .words_remedy = "postbus subscriptions takes flags only",
    .run = run,
};
