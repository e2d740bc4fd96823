/* postbus parked list, show and audit: prints parked and discarded events; never a payload. */
#include "parked.h"

#include "audit.h"
#include "database.h"
#include "postbus_sql.h"
#include "row_json.h"

#include <inttypes.h>
#include <stdlib.h>

enum list_column { L_ID, L_TOPIC, L_KEY, L_REASON, L_CODE, L_WAITS_FOR, L_ATTEMPTS, L_WISH, L_PARKED_AT };

static void print_row(const PGresult *rows, int row)
{
    char *key = row_text(rows, row, L_KEY);
    printf("%-12s %-24s %-20s %-22s %-9s %8s  %s%s%s\n", PQgetvalue(rows, row, L_ID),
           PQgetvalue(rows, row, L_TOPIC), key ? key : "", PQgetvalue(rows, row, L_REASON),
           PQgetvalue(rows, row, L_WAITS_FOR), PQgetvalue(rows, row, L_ATTEMPTS),
           PQgetvalue(rows, row, L_PARKED_AT),
           PQgetisnull(rows, row, L_WISH) ? "" : "  wished: ", PQgetvalue(rows, row, L_WISH));
    free(key);
}

static void print_parked(const PGresult *rows)
{
    printf("%-12s %-24s %-20s %-22s %-9s %8s  %s\n", "id", "topic", "key", "reason", "waits for", "attempts",
           "parked at");
    for (int i = 0; i < PQntuples(rows); i++)
        print_row(rows, i);
}

enum dead_column { D_ID, D_TOPIC, D_KEY, D_REASON, D_CODE, D_ATTEMPTS, D_BY, D_WHY, D_DIED_AT };

static void print_dead(const PGresult *rows)
{
    printf("%-12s %-24s %-20s %-22s %-16s %-20s  %s\n", "id", "topic", "key", "reason", "discarded by",
           "discarded at", "why");
    for (int i = 0; i < PQntuples(rows); i++) {
        char *key = row_text(rows, i, D_KEY);
        printf("%-12s %-24s %-20s %-22s %-16s %-20s  ", PQgetvalue(rows, i, D_ID),
               PQgetvalue(rows, i, D_TOPIC), key ? key : "", PQgetvalue(rows, i, D_REASON),
               PQgetvalue(rows, i, D_BY), PQgetvalue(rows, i, D_DIED_AT));
        row_print_text(PQgetvalue(rows, i, D_WHY));
        putchar('\n');
        free(key);
    }
}

static void print_table(const PGresult *rows, bool dead)
{
    int n = PQntuples(rows);
    if (n == 0) {
        puts(dead ? "nothing was discarded" : "nothing is parked");
        return;
    }
    if (dead)
        print_dead(rows);
    else
        print_parked(rows);
    row_print_rest(rows);
}

int parked_list(const call *c, PGconn *conn)
{
    char limit[24];
    bool dead = call_has(c, "dead");
    snprintf(limit, sizeof limit, "%" PRId64, call_count(c, "limit", 100));
    const char *params[] = {call_text(c, "topic"), call_text(c, "reason"), limit};
    PGresult *rows =
        database_query(c, conn, dead ? "discarded events cannot be read" : "parked events cannot be read",
                       sql_query(dead ? "parked_discarded" : "parked_list"), 3, params);
    if (!rows)
        return EXIT_FAULT;
    if (call_has(c, "json"))
        for (int i = 0; i < PQntuples(rows); i++)
            row_print_json(rows, i);
    else
        print_table(rows, dead);
    PQclear(rows);
    return EXIT_OK;
}

int parked_audit(const call *c, PGconn *conn)
{
    return audit_print(c, conn, sql_query("parked_audit"));
}

static void print_fields(const PGresult *row)
{
    for (int i = 0; i < PQnfields(row); i++) {
        char *text = PQgetisnull(row, 0, i) ? NULL : row_text(row, 0, i);
        if (text)
            printf("%-13s %s\n", PQfname(row, i), text);
        free(text);
    }
}

int parked_show(const call *c, PGconn *conn)
{
    const char *id = c->words[1];
    PGresult *row = database_query(c, conn, "the event cannot be read", sql_query("parked_show"), 1, &id);
    if (!row)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQntuples(row) == 0)
        code = fault(c,
                     "event %s is neither parked nor discarded, and no discard of it came too late; postbus "
                     "parked list and list --dead show those that are",
                     id);
    else if (call_has(c, "json"))
        row_print_json(row, 0);
    else
        print_fields(row);
    PQclear(row);
    return code;
}
