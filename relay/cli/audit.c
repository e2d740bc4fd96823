/* Prints what operators did, and why; changes nothing. */
#include "audit.h"

#include "database.h"
#include "row_json.h"

#include <inttypes.h>

enum column { A_N, A_AT, A_WHO, A_ACTION, A_N_EVENTS, A_WHY, A_WHAT };

static void print_row(const PGresult *rows, int row)
{
    printf("%-8s %-20s %-16s %-10s %8s  ", PQgetvalue(rows, row, A_N), PQgetvalue(rows, row, A_AT),
           PQgetvalue(rows, row, A_WHO), PQgetvalue(rows, row, A_ACTION), PQgetvalue(rows, row, A_N_EVENTS));
    row_print_text(PQgetvalue(rows, row, A_WHAT));
    fputs("  ", stdout);
    row_print_text(PQgetvalue(rows, row, A_WHY));
    putchar('\n');
}

static void print_table(const PGresult *rows)
{
    int n = PQntuples(rows);
    if (n == 0) {
        puts("nothing was done");
        return;
    }
    printf("%-8s %-20s %-16s %-10s %8s  %s\n", "n", "at", "who", "action", "events", "what, and why");
    for (int i = 0; i < n; i++)
        print_row(rows, i);
    row_print_rest(rows);
}

int audit_print(const call *c, PGconn *conn, const char *sql)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%" PRId64, call_count(c, "limit", 100));
    const char *params[] = {limit};
    PGresult *rows = database_query(c, conn, "the audit cannot be read", sql, 1, params);
    if (!rows)
        return EXIT_FAULT;
    if (call_has(c, "json"))
        for (int i = 0; i < PQntuples(rows); i++)
            row_print_json(rows, i);
    else
        print_table(rows);
    PQclear(rows);
    return EXIT_OK;
}
