/* postbus dead redrive and discard: must never touch many dead letters, or one for good, without being told twice. */
#include "dead.h"

#include "confirm.h"
#include "database.h"
#include "postbus_sql.h"

#include <stdlib.h>
#include <string.h>

#define ASK_ABOVE 10

static int redrive_chosen(const call *c, PGconn *conn, const char *const *params)
{
    PGresult *row = database_query(c, conn, "dead letters cannot be redriven",
                                   subscriber_sql_query("dead_redrive"), 7, params);
    if (!row)
        return EXIT_FAULT;
    printf("%s dead letters are tried again\n", PQgetvalue(row, 0, 0));
    PQclear(row);
    return EXIT_OK;
}

int dead_redrive(const call *c, PGconn *conn)
{
    char question[100];
    const char *params[] = {call_text(c, "application"), call_text(c, "subscription"),
                            call_text(c, "topic"),       call_text(c, "reason"),
                            call_text(c, "id"),          call_text(c, "older-than"),
                            call_text(c, "why")};
    PGresult *row = database_query(c, conn, "dead letters cannot be counted",
                                   subscriber_sql_query("dead_count"), 6, params);
    if (!row)
        return EXIT_FAULT;
    long long n = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
    PQclear(row);
    const char *id = call_text(c, "id");
    bool others = params[0] || params[1] || params[2] || params[3] || params[5];
    if (id && n == 0)
        return fault(c, "there is no dead letter %s%s; postbus dead list shows those there are", id,
                     others ? " that the other flags choose" : "");
    if (call_has(c, "dry-run") || n == 0) {
        printf("%lld dead letters %s tried again\n", n, n == 0 ? "are" : "would be");
        return EXIT_OK;
    }
    snprintf(question, sizeof question, "Have %lld dead letters tried again?", n);
    int code = n > ASK_ABOVE ? confirm(c, question) : EXIT_OK;
    return code == EXIT_OK ? redrive_chosen(c, conn, params) : code;
}

static int discard_one(const call *c, PGconn *conn, const char *id, const char *why)
{
    const char *params[] = {id, why};
    PGresult *row = database_query(c, conn, "the dead letter cannot be discarded",
                                   subscriber_sql_query("dead_discard"), 2, params);
    if (!row)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQgetvalue(row, 0, 0)[0] == 't')
        printf("dead letter %s is discarded\n", id);
    else
        code = fault(c, "there is no dead letter %s; postbus dead list shows those there are", id);
    PQclear(row);
    return code;
}

int dead_discard(const call *c, PGconn *conn)
{
    const char *id = c->words[1];
    const char *why = call_text(c, "reason");
    char question[100];
    if (!why || !why[strspn(why, " \t")])
        return misuse(c, "discard needs --reason TEXT: why dead letter %s shall never be handled", id);
    snprintf(question, sizeof question, "Discard dead letter %s for good?", id);
    int code = confirm(c, question);
    return code == EXIT_OK ? discard_one(c, conn, id, why) : code;
}
