/* A command of `postbus work` that notes the effect of each event, and has bad habits; must never know what the load has committed. */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <libpq-fe.h>
#include <popt.h>

#define ATTEMPTS 5 /* faults_subscriber.py has it, too */

/* One event in so many, 0: never. */
typedef struct habits {
    int retry; /* is said to have failed, though never so often that the event dies of it */
    int crash; /* ends the process, before or after the effect is written */
} habits;

static bool now_and_then(int one_in)
{
    return one_in > 0 && arc4random_uniform((uint32_t)one_in) == 0;
}

/* Without ceremony, whatever a sanitizer has to say. */
static void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

/* What the value begins with: a number is JSON, and with padding behind it it is text. */
static long long token_of(const json_t *event)
{
    const json_t *value = json_object_get(event, "value");
    return json_is_integer(value)  ? json_integer_value(value)
           : json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                   : 0;
}

static bool note_effect(PGconn *conn, const json_t *event)
{
    char attempt[24], token[24];
    const char *values[] = {json_string_value(json_object_get(event, "topic")),
                            json_string_value(json_object_get(event, "key")), token, attempt};
    snprintf(token, sizeof token, "%lld", token_of(event));
    snprintf(attempt, sizeof attempt, "%lld",
             (long long)json_integer_value(json_object_get(event, "attempt")));
    PGresult *result =
        PQexecParams(conn, "INSERT INTO effect (topic, key, token, attempt) VALUES ($1, $2, $3, $4)", 4, NULL,
                     values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

/* Whether the event is done. */
static bool handle(PGconn *conn, const json_t *event, const habits *h)
{
    bool spared = json_integer_value(json_object_get(event, "attempt")) >= ATTEMPTS;
    bool crashes = !spared && now_and_then(h->crash);
    if (crashes && arc4random_uniform(2) == 0)
        crash();
    bool ok = note_effect(conn, event);
    if (crashes)
        crash();
    return ok && (spared || !now_and_then(h->retry));
}

/* The event of a line; NULL at the end. */
static json_t *next_event(char **line, size_t *room)
{
    ssize_t size = getline(line, room, stdin);
    return size > 0 ? json_loadb(*line, (size_t)size, 0, NULL) : NULL;
}

/* The one event of a process of its own. */
static int once(PGconn *conn, const habits *h)
{
    json_t *event = json_loadf(stdin, 0, NULL);
    bool ok = event && handle(conn, event, h);
    json_decref(event);
    return ok ? 0 : 1;
}

static void answer_lines(PGconn *conn, const habits *h)
{
    char *line = NULL;
    size_t room = 0;
    json_t *event;
    while ((event = next_event(&line, &room)) != NULL) {
        puts(handle(conn, event, h) ? "{\"result\": \"ack\"}" : "{\"result\": \"retry\"}");
        fflush(stdout);
        json_decref(event);
    }
    free(line);
}

int main(int argc, const char **argv)
{
    char *database = NULL;
    int lines = 0;
    habits h = {0};
    const struct poptOption flags[] = {
        {"database", 0, POPT_ARG_STRING, &database, 0, "where the effects go", "CONNINFO"},
        {"lines", 0, POPT_ARG_NONE, &lines, 0, "many events, a line each", NULL},
        {"retry", 0, POPT_ARG_INT, &h.retry, 0, "one in so many fails", "N"},
        {"crash", 0, POPT_ARG_INT, &h.crash, 0, "one in so many ends the process", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("postbus_chaos_command", argc, argv, flags, 0);
    if (poptGetNextOpt(context) < -1 || !database)
        return fprintf(stderr, "command: bad arguments; see --help\n"), 2;
    PGconn *conn = PQconnectdb(database);
    int code = lines ? 0 : once(conn, &h);
    if (lines)
        answer_lines(conn, &h);
    PQfinish(conn);
    free(database);
    poptFreeContext(context);
    return code;
}
