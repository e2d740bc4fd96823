/* postbus subscriptions: shows what applications subscribe to, and how far each is, or ends some; must never end one without being told twice. */
#include "subcommand.h"

#include "confirm.h"
#include "database.h"
#include "postbus_sql.h"
#include "row_json.h"

#include <stdlib.h>

static const command_option options[] = {
    {.name = "json",
     .kind = OPTION_SWITCH,
     .effect = "list: prints one JSON object a line, with filter and options."},
    {.name = "application",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .effect = "list: only those of this application."},
    {.name = "ended", .kind = OPTION_SWITCH, .effect = "list: also those that have ended."},
    {.name = "why",
     .kind = OPTION_TEXT,
     .placeholder = "TEXT",
     .effect = "end: a remark for postbus_inbox.audit."},
    {.name = "dry-run", .kind = OPTION_SWITCH, .effect = "end: says which, and does nothing."},
    {.name = "yes", .letter = 'y', .kind = OPTION_SWITCH, .effect = "end: does not ask."},
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

static int list(const call *c, PGconn *conn)
{
    const char *params[] = {call_text(c, "application"), call_has(c, "ended") ? "t" : "f"};
    PGresult *rows = database_query(c, conn, "subscriptions cannot be read",
                                    subscriber_sql_query("subscriptions"), 2, params);
    if (!rows)
        return EXIT_FAULT;
    print(c, rows);
    PQclear(rows);
    return EXIT_OK;
}

enum chosen_column { C_APPLICATION, C_KEY, C_TOPICS, C_WAITING, C_DEAD };

static void print_chosen(const PGresult *rows)
{
    for (int i = 0; i < PQntuples(rows); i++)
        printf("%s.%s of %s; %s events wait and %s are dead letters, which stay\n",
               PQgetvalue(rows, i, C_APPLICATION), PQgetvalue(rows, i, C_KEY), PQgetvalue(rows, i, C_TOPICS),
               PQgetvalue(rows, i, C_WAITING), PQgetvalue(rows, i, C_DEAD));
    fflush(stdout);
}

static int end_chosen(const call *c, PGconn *conn, const char *application, const char *key)
{
    const char *params[] = {application, key, call_text(c, "why")};
    PGresult *row = database_query(c, conn, "subscriptions cannot be ended",
                                   subscriber_sql_query("subscriptions_end"), 3, params);
    if (!row)
        return EXIT_FAULT;
    printf("%s subscriptions are ended; workers that run them stop within seconds\n", PQgetvalue(row, 0, 0));
    PQclear(row);
    return EXIT_OK;
}

static int end(const call *c, PGconn *conn)
{
    char question[100];
    const char *params[] = {c->words[1], c->n_words > 2 ? c->words[2] : NULL};
    PGresult *rows = database_query(c, conn, "subscriptions cannot be read",
                                    subscriber_sql_query("subscriptions_chosen"), 2, params);
    if (!rows)
        return EXIT_FAULT;
    int n = PQntuples(rows);
    print_chosen(rows);
    PQclear(rows);
    if (n == 0)
        return fault(c, "%s has no subscription%s%s that holds; postbus subscriptions shows those there are",
                     params[0], params[1] ? " " : "", params[1] ? params[1] : "");
    if (call_has(c, "dry-run"))
        return EXIT_OK;
    snprintf(question, sizeof question, "End %d subscriptions?", n);
    int code = confirm(c, question);
    return code == EXIT_OK ? end_chosen(c, conn, params[0], params[1]) : code;
}

static const subcommand subcommands[] = {
    {"list", NULL, 0, 0, " json application ended ", list},
    {"end", "APPLICATION [KEY]", 1, 2, " why dry-run yes ", end},
    {.name = NULL},
};

static int run(const call *c)
{
    int code;
    const subcommand *one = subcommand_find(c, subcommands, &code);
    return one ? subcommand_run(c, one) : code;
}

const command command_subscriptions = {
    .name = "subscriptions",
    .synopsis = "[list | end APPLICATION [KEY]]",
    .summary = "shows what applications subscribe to, and how far each is, or ends subscriptions",
    .description =
        "For the database of an application that subscribes (postbus migrate --subscriber).\n\n"
        "list, which may be left out, shows of each subscription: how many partitions it has read, when its "
        "position moved last, how many events wait for another attempt, how many are dead letters, and in "
        "how "
        "many places events were gone before they were read (postbus_inbox.gap).\n\n"
        "end ends one of an application's subscriptions, or all of them: workers that run it stop within "
        "seconds. Its position, and what waits or is dead, stay; a worker that is started with it in its "
        "list "
        "subscribes again, and goes on from there. It asks first; where there is no terminal to ask on, it "
        "wants --yes. Who did it is written to postbus_inbox.audit (postbus dead audit).\n\n"
        "The role postbus_viewer may list, postbus_operator may do both.",
    .examples =
        "postbus subscriptions --database service=billing\npostbus subscriptions --application shop --json\n"
        "postbus subscriptions end shop mails --dry-run",
    .options = options,
    .takes = TAKES_DATABASE,
    .most_words = 3,
    .words_remedy = "write postbus subscriptions, or postbus subscriptions end APPLICATION [KEY]",
    .run = run,
};
