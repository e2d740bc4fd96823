/* postbus status: tells from the database alone how far the relay is; never talks to a relay or to Kafka. */
#include "database.h"
#include "postbus_sql.h"
#include "stop.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const command_option options[] = {
    {.name = "json", .kind = OPTION_SWITCH, .effect = "Prints one JSON object; with --watch one a line."},
    {.name = "watch",
     .letter = 'w',
     .kind = OPTION_SWITCH,
     .effect = "Looks again and again until it is stopped."},
    {.name = "every",
     .kind = OPTION_COUNT,
     .placeholder = "SECONDS",
     .lowest = 1,
     .highest = 3600,
     .effect = "With --watch: seconds between two looks; default 1."},
    {.name = NULL},
};

static const char *text_at(const PGresult *row, const char *column)
{
    int at = PQfnumber(row, column);
    return at < 0 || PQgetisnull(row, 0, at) ? NULL : PQgetvalue(row, 0, at);
}

static bool is_leading(const PGresult *row)
{
    return text_at(row, "holder") && text_at(row, "leader");
}

static json_t *number_or_null(const PGresult *row, const char *column)
{
    const char *text = text_at(row, column);
    if (!text)
        return json_null();
    return strchr(text, '.') ? json_real(strtod(text, NULL)) : json_integer(strtoll(text, NULL, 10));
}

static void print_json(const PGresult *row, size_t flags)
{
    bool leading = is_leading(row);
    json_t *all =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:s?, s:s?, s:s?}", "pending", number_or_null(row, "pending"),
                  "oldest_pending_s", number_or_null(row, "oldest_pending_s"), "parked",
                  number_or_null(row, "parked"), "published", number_or_null(row, "published"),
                  "published_per_s", number_or_null(row, "published_per_s"), "last_completed_at",
                  text_at(row, "last_completed_at"), "leader", leading ? text_at(row, "leader") : NULL,
                  "leader_since", leading ? text_at(row, "leader_since") : NULL);
    json_dumpf(all, stdout, flags | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(all);
}

static const char *or_text(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void print_text(const PGresult *row)
{
    const char *oldest = text_at(row, "oldest_pending_s"), *relay = text_at(row, "leader");
    printf("pending         %s", or_text(text_at(row, "pending"), "0"));
    printf(oldest ? ", the oldest for %s s\n" : "\n", oldest);
    printf("parked          %s\n", or_text(text_at(row, "parked"), "0"));
    printf("published       %s", or_text(text_at(row, "published"), "0"));
    printf(", %s/s in the last 10 s\n", or_text(text_at(row, "published_per_s"), "0"));
    printf("last completed  %s\n", or_text(text_at(row, "last_completed_at"), "never"));
    if (is_leading(row))
        printf("leader          %s since %s\n", relay, or_text(text_at(row, "leader_since"), "now"));
    else if (text_at(row, "holder"))
        printf("leader          none yet: session %s holds the leader's lock, a relay that is about to lead "
               "(postbus doctor tells whether it is one)\n",
               text_at(row, "holder"));
    else if (relay)
        printf("leader          none: no relay is running; the last one was %s\n", relay);
    else
        printf("leader          none: no relay has run yet; start one with postbus relay\n");
}

static int look(const call *c, PGconn *conn)
{
    char key[32];
    snprintf(key, sizeof key, "%lld", SQL_LOCK_LEADER);
    const char *params[] = {key};
    PGresult *row = database_query(c, conn, "the status cannot be read", sql_query("status"), 1, params);
    if (!row)
        return EXIT_FAULT;
    bool watch = call_has(c, "watch");
    if (call_has(c, "json"))
        print_json(row, watch ? JSON_COMPACT : JSON_INDENT(2));
    else {
        if (watch && isatty(STDOUT_FILENO))
            fputs("\x1b[H\x1b[2J", stdout);
        print_text(row);
        if (watch && !isatty(STDOUT_FILENO))
            putchar('\n');
    }
    PQclear(row);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAULT;
}

static int watch(const call *c, PGconn *conn)
{
    int stop_fd = stop_open();
    if (stop_fd < 0)
        return fault(c, "signals cannot be received: %s", strerror(errno));
    int every_ms = (int)call_count(c, "every", 1) * 1000;
    int code = EXIT_OK;
    while (code == EXIT_OK) {
        code = look(c, conn);
        struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
        if (code == EXIT_OK && poll(&stop, 1, every_ms) > 0)
            break;
    }
    close(stop_fd);
    return code;
}

static int run(const call *c)
{
    if (call_has(c, "every") && !call_has(c, "watch"))
        return misuse(c, "--every says how often --watch looks; give --watch too");
    int code;
    PGconn *conn = database_open(c, &code);
    if (!conn)
        return code;
    code = call_has(c, "watch") ? watch(c, conn) : look(c, conn);
    PQfinish(conn);
    return code;
}

const command command_status = {
    .name = "status",
    .synopsis = "",
    .summary = "tells the backlog, its age, the rate and who leads",
    .description = "Tells how many committed events are not published yet and how old the oldest is, how "
                   "many are parked, how many were published "
                   "and how fast, and which relay leads. All of it is read from the database, so it works "
                   "while no relay runs. The role "
                   "postbus_viewer may do it.",
    .examples = "postbus status\npostbus status --watch --every 5\npostbus status --json | jq .pending",
    .options = options,
    .takes = TAKES_DATABASE,
    .words_remedy = "postbus status takes flags only",
    .run = run,
};
