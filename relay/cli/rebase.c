/* postbus rebase: brings a restored, copied or upgraded outbox on; never while a relay leads, and never without being told twice. */
#include "confirm.h"
#include "database.h"
#include "postbus_sql.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const command_option options[] = {
    {.name = "upgraded",
     .kind = OPTION_SWITCH,
     .effect = "The cluster was upgraded by pg_upgrade: its transaction ids are still good. Refused where "
               "the tables say otherwise."},
    {.name = "dry-run",
     .letter = 'n',
     .kind = OPTION_SWITCH,
     .effect = "Says what would be done, and changes nothing."},
    {.name = "yes", .letter = 'y', .kind = OPTION_SWITCH, .effect = "Does not ask."},
    {.name = "why", .kind = OPTION_TEXT, .placeholder = "TEXT", .effect = "A remark for postbus.audit."},
    {.name = "json", .kind = OPTION_SWITCH, .effect = "Prints one JSON object."},
    {.name = NULL},
};

enum plan_column { P_MODE, P_REASON, P_AGAIN, P_FIRST, P_LAST, P_SINCE, P_LEADING };
enum topic_column { T_TOPIC, T_COUNT, T_FIRST, T_LAST };

typedef struct plan {
    PGresult *row, *topics;
} plan;

static long long number_at(const PGresult *rows, int row, int column)
{
    return strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

static bool is_mode(const plan *p, const char *mode)
{
    return strcmp(PQgetvalue(p->row, 0, P_MODE), mode) == 0;
}

static const char *finding(const plan *p)
{
    if (!PQgetisnull(p->row, 0, P_REASON))
        return PQgetvalue(p->row, 0, P_REASON);
    return is_mode(p, "upgrade") ? "the cluster was upgraded"
                                 : "the outbox is where it was; a rebase only begins a new identity, for an "
                                   "older state that was put back";
}

static void print_text(const plan *p)
{
    printf("found            %s\n", finding(p));
    printf("may come twice   %lld events", number_at(p->row, 0, P_AGAIN));
    if (number_at(p->row, 0, P_AGAIN) > 0)
        printf(", ids %s to %s", PQgetvalue(p->row, 0, P_FIRST), PQgetvalue(p->row, 0, P_LAST));
    putchar('\n');
    for (int i = 0; i < PQntuples(p->topics); i++)
        printf("                 %s: %s events, ids %s to %s\n", PQgetvalue(p->topics, i, T_TOPIC),
               PQgetvalue(p->topics, i, T_COUNT), PQgetvalue(p->topics, i, T_FIRST),
               PQgetvalue(p->topics, i, T_LAST));
    printf("published since  %s events, which follow them\n", PQgetvalue(p->row, 0, P_SINCE));
}

static json_t *json_topics(const plan *p)
{
    json_t *all = json_array();
    for (int i = 0; i < PQntuples(p->topics); i++)
        json_array_append_new(all,
                              json_pack("{s:s, s:I, s:I, s:I}", "topic", PQgetvalue(p->topics, i, T_TOPIC),
                                        "events", (json_int_t)number_at(p->topics, i, T_COUNT), "first_id",
                                        (json_int_t)number_at(p->topics, i, T_FIRST), "last_id",
                                        (json_int_t)number_at(p->topics, i, T_LAST)));
    return all;
}

static void print_json(const plan *p, bool done)
{
    bool none = number_at(p->row, 0, P_AGAIN) == 0;
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:I, s:b}", "mode", PQgetvalue(p->row, 0, P_MODE), "found",
                  finding(p), "may_come_twice", (json_int_t)number_at(p->row, 0, P_AGAIN), "first_id",
                  none ? json_null() : json_integer(number_at(p->row, 0, P_FIRST)), "last_id",
                  none ? json_null() : json_integer(number_at(p->row, 0, P_LAST)), "topics", json_topics(p),
                  "published_since", (json_int_t)number_at(p->row, 0, P_SINCE), "done", done);
    json_dumpf(all, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
}

static int act(const call *c, PGconn *conn, const char *upgraded)
{
    const char *params[] = {upgraded, call_text(c, "why")};
    PGresult *row = database_query(c, conn, "the outbox cannot be rebased", sql_query("rebase"), 2, params);
    if (row && !call_has(c, "json"))
        printf("done; relays may be started\n");
    PQclear(row);
    return row ? EXIT_OK : EXIT_FAULT;
}

static int ask_and_act(const call *c, PGconn *conn, const char *upgraded, const plan *p)
{
    bool json = call_has(c, "json");
    if (!json)
        print_text(p);
    int code = EXIT_OK;
    if (!call_has(c, "dry-run")) {
        fflush(stdout);
        code = confirm(c, "Make this the outbox's home?");
        if (code == EXIT_OK)
            code = act(c, conn, upgraded);
    }
    if (json && code == EXIT_OK)
        print_json(p, !call_has(c, "dry-run"));
    return code;
}

static int judge(const call *c, PGconn *conn, const char *upgraded, const plan *p)
{
    if (is_mode(p, "refused"))
        return fault(
            c, "this is not what pg_upgrade leaves: %s; after a restore or a copy, rebase without --upgraded",
            finding(p));
    if (PQgetvalue(p->row, 0, P_LEADING)[0] == 't' && !call_has(c, "dry-run"))
        return fault(c, "a relay leads this database; stop all relays before");
    return ask_and_act(c, conn, upgraded, p);
}

static int run(const call *c)
{
    char lock[24];
    const char *upgraded = call_has(c, "upgraded") ? "true" : "false";
    const char *params[] = {upgraded, lock};
    int code;
    snprintf(lock, sizeof lock, "%lld", SQL_LOCK_LEADER);
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    plan p = {
        .row = database_query(c, conn, "the outbox cannot be examined", sql_query("rebase_plan"), 2, params)};
    if (p.row)
        p.topics =
            database_query(c, conn, "the outbox cannot be examined", sql_query("rebase_topics"), 1, params);
    code = p.topics ? judge(c, conn, upgraded, &p) : EXIT_FAULT;
    PQclear(p.topics);
    PQclear(p.row);
    PQfinish(conn);
    return code;
}

const command command_rebase = {
    .name = "rebase",
    .synopsis = "",
    .summary = "brings a restored, copied or upgraded outbox on",
    .description = "A relay refuses an outbox that it does not find where it was left: in another cluster or "
                   "database, restored from a "
                   "dump, or with positions that are ahead of what PostgreSQL has assigned. rebase makes the "
                   "place where it is now its "
                   "home. Nothing is lost: events that came with the restore and are not known to be "
                   "published are published first, with "
                   "the event ids that they had, then what was published here since. Some of the former may "
                   "be in Kafka already, and come "
                   "twice: rebase says how many, and which.\n\n"
                   "A failover to a standby, or a recovery to a point in time, needs no rebase: the relay "
                   "goes on by itself. After an older "
                   "state of the server's files was put back (a snapshot of the disk), nothing in the "
                   "database tells of it: rebase before "
                   "applications publish again.\n\n"
                   "No relay may lead; applications may publish all the time. It asks before it acts; where "
                   "there is no terminal to ask on, "
                   "it wants --yes. The role must own the schema. postbus.audit keeps who did it.",
    .examples = "postbus rebase --dry-run\npostbus rebase --yes --why \"restored from the backup of "
                "Monday\"\npostbus rebase --upgraded",
    .options = options,
    .takes = TAKES_DATABASE,
    .words_remedy = "postbus rebase takes flags only",
    .run = run,
};
