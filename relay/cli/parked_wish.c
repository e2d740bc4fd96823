/* postbus parked redrive and discard: records wishes; must never do so for many events, or for good, without being told twice. */
#include "parked.h"

#include "confirm.h"
#include "database.h"
#include "postbus_sql.h"

#include <stdlib.h>
#include <string.h>

#define ASK_ABOVE 10

static long long number_at(const PGresult *row, int column)
{
    return strtoll(PQgetvalue(row, 0, column), NULL, 10);
}

/* \x and hex; the caller frees it. NULL: not given, or no memory. */
static char *key_param(PGconn *conn, const call *c)
{
    const char *key = call_text(c, "key");
    size_t n;
    unsigned char *escaped =
        key ? PQescapeByteaConn(conn, (const unsigned char *)key, strlen(key), &n) : NULL;
    char *copy = escaped ? strdup((const char *)escaped) : NULL;
    PQfreemem(escaped);
    return copy;
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
    char question[200];
    printf("%lld refused events, and %lld that wait behind them\n", n, n_behind);
    if (call_has(c, "dry-run") || n == 0)
        return EXIT_OK;
    snprintf(question, sizeof question, "Send %lld refused events again?", n);
    int code = n > ASK_ABOVE ? confirm(c, question) : EXIT_OK;
    return code == EXIT_OK ? wish_redrive(c, conn, params) : code;
}

int parked_redrive(const call *c, PGconn *conn)
{
    char *key = key_param(conn, c);
    const char *params[] = {call_text(c, "topic"),      key,
                            call_text(c, "id"),         call_text(c, "reason"),
                            call_text(c, "older-than"), call_text(c, "why")};
    PGresult *row =
        database_query(c, conn, "parked events cannot be counted", sql_query("parked_chosen"), 5, params);
    int code = row ? redrive_chosen(c, conn, params, number_at(row, 0), number_at(row, 1)) : EXIT_FAULT;
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
        printf("event %s is to be discarded; the relay does it as soon as one leads\n", id);
    else
        code = fault(c,
                     "event %s is not parked, or something is wished for it already; postbus parked show %s "
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
    if (!why || !why[strspn(why, " \t")])
        return misuse(c, "discard needs --reason TEXT: why event %s shall never be published", id);
    snprintf(question, sizeof question, "Discard event %s for good?", id);
    int code = confirm(c, question);
    return code == EXIT_OK ? wish_discard(c, conn, id, why) : code;
}
