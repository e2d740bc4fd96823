/* postbus parked redrive and discard: records wishes; must never do so for many events, or for good, without being told twice. */
#include "parked.h"

#include "age_param.h"
#include "confirm.h"
#include "database.h"
#include "key_param.h"
#include "postbus_sql.h"

#include <stdlib.h>
#include <string.h>

#define ASK_ABOVE 10
#define MOST_COUNTED 10000LL /* of those behind: counting them all may take minutes */

static long long number_at(const PGresult *row, int column)
{
    return strtoll(PQgetvalue(row, 0, column), NULL, 10);
}

static int wish_redrive(const call *c, PGconn *conn, const char *const *params)
{
    PGresult *row =
        database_query(c, conn, "the wish cannot be recorded", sql_query("parked_redrive"), 6, params);
    if (!row)
        return EXIT_FAULT;
    printf("%s events are to be sent again; the relay does it as soon as one leads\n", PQgetvalue(row, 0, 0));
    PQclear(row);
    return EXIT_OK;
}

static int redrive_chosen(const call *c, PGconn *conn, const char *const *params, long long n,
                          long long n_behind)
{
    char behind[40], question[200];
    snprintf(behind, sizeof behind, n_behind > MOST_COUNTED ? "more than %lld" : "%lld",
             n_behind > MOST_COUNTED ? MOST_COUNTED : n_behind);
    if (params[1])
        key_param_tell(params[1]);
    printf("%lld refused events, and %s that wait behind them\n", n, behind);
    if (call_has(c, "dry-run") || n == 0)
        return EXIT_OK;
    fflush(stdout);
    snprintf(question, sizeof question, "Send %lld refused events again, and %s behind them?", n, behind);
    int code = n + n_behind > ASK_ABOVE ? confirm(c, question) : EXIT_OK;
    return code == EXIT_OK ? wish_redrive(c, conn, params) : code;
}

/* One that is named and not chosen. */
static int say_why_not(const call *c, PGconn *conn, const char *id)
{
    PGresult *row =
        database_query(c, conn, "the event cannot be looked for", sql_query("parked_not_chosen"), 1, &id);
    if (!row)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQgetvalue(row, 0, 0)[0] == 't')
        puts(PQgetvalue(row, 0, 1));
    else
        code = fault(c, "%s", PQgetvalue(row, 0, 1));
    PQclear(row);
    return code;
}

int parked_redrive(const call *c, PGconn *conn)
{
    int age_code = age_param_check(c, conn);
    if (age_code != EXIT_OK)
        return age_code;
    char most[24], *key = key_param(call_text(c, "key"));
    if (call_has(c, "key") && !key)
        return fault(c, "out of memory");
    snprintf(most, sizeof most, "%lld", MOST_COUNTED + 1);
    const char *id = call_text(c, "id"), *topic = call_text(c, "topic"), *reason = call_text(c, "reason"),
               *age = call_text(c, "older-than");
    const char *chosen[] = {topic, key, id, reason, age, most},
               *wished[] = {topic, key, id, reason, age, call_text(c, "why")};
    PGresult *row =
        database_query(c, conn, "parked events cannot be counted", sql_query("parked_chosen"), 6, chosen);
    int code = EXIT_FAULT;
    if (row && id && number_at(row, 0) == 0)
        code = say_why_not(c, conn, id);
    else if (row)
        code = redrive_chosen(c, conn, wished, number_at(row, 0), number_at(row, 1));
    PQclear(row);
    free(key);
    return code;
}

static int wish_discard(const call *c, PGconn *conn, const char *id, const char *why)
{
    const char *params[] = {id, why};
    PGresult *row =
        database_query(c, conn, "the wish cannot be recorded", sql_query("parked_discard"), 2, params);
    if (!row)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQgetvalue(row, 0, 0)[0] == 't')
        printf("event %s is to be discarded; the relay does it as soon as one leads, unless a broker takes "
               "the event first: "
               "postbus parked show %s tells\n",
               id, id);
    else
        code = fault(c,
                     "event %s is not parked, or is to be discarded already; postbus parked show %s "
                     "tells",
                     id, id);
    PQclear(row);
    return code;
}

int parked_discard(const call *c, PGconn *conn)
{
    const char *id = c->words[1];
    const char *why = call_text(c, "reason");
    char question[100];
    if (!why || !why[strspn(why, " \t\r\n\v\f")])
        return misuse(c, "discard needs --reason TEXT: why event %s shall never be published", id);
    snprintf(question, sizeof question, "Discard event %s for good?", id);
    int code = confirm(c, question);
    return code == EXIT_OK ? wish_discard(c, conn, id, why) : code;
}
