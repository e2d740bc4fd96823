/* postbus dead list and show: prints dead letters; never a payload that was not asked for. */
#include "dead.h"

#include "database.h"
#include "postbus_sql.h"
#include "row_json.h"

#include <inttypes.h>
#include <stdlib.h>

enum list_column {
    L_N,
    L_APPLICATION,
    L_SUBSCRIPTION,
    L_TOPIC,
    L_PARTITION,
    L_OFFSET,
    L_KEY,
    L_TYPE,
    L_REASON,
    L_ATTEMPTS,
    L_ERROR,
    L_DIED_AT,
    L_TOTAL
};

static void print_row(const PGresult *rows, int row)
{
    char error[200] = "-";
    char *key = row_text(rows, row, L_KEY);
    if (!PQgetisnull(rows, row, L_ERROR))
        one_line(PQgetvalue(rows, row, L_ERROR), error, sizeof error);
    printf("%-10s %-16s %-16s %-20s %-18s %-18s %8s  %s  %s\n", PQgetvalue(rows, row, L_N),
           PQgetvalue(rows, row, L_APPLICATION), PQgetvalue(rows, row, L_SUBSCRIPTION),
           PQgetvalue(rows, row, L_TOPIC), key ? key : "", PQgetvalue(rows, row, L_REASON),
           PQgetvalue(rows, row, L_ATTEMPTS), PQgetvalue(rows, row, L_DIED_AT), error);
    free(key);
}

static void print_table(const PGresult *rows)
{
    int n = PQntuples(rows);
    if (n == 0) {
        puts("there are no dead letters");
        return;
    }
    printf("%-10s %-16s %-16s %-20s %-18s %-18s %8s  %-20s  %s\n", "id", "application", "subscription",
           "topic", "key", "reason", "attempts", "died at", "error");
    for (int i = 0; i < n; i++)
        print_row(rows, i);
    long long total = strtoll(PQgetvalue(rows, 0, L_TOTAL), NULL, 10);
    if (total > n)
        printf("and %lld more; --limit shows them\n", total - n);
}

int dead_list(const call *c, PGconn *conn)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%" PRId64, call_count(c, "limit", 100));
    const char *params[] = {call_text(c, "application"), call_text(c, "subscription"), call_text(c, "topic"),
                            call_text(c, "reason"), limit};
    PGresult *rows =
        database_query(c, conn, "dead letters cannot be read", subscriber_sql_query("dead_list"), 5, params);
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

static void print_fields(const PGresult *row)
{
    for (int i = 0; i < PQnfields(row); i++) {
        char *text = PQgetisnull(row, 0, i) ? NULL : row_text(row, 0, i);
        if (text)
            printf("%-13s %s\n", PQfname(row, i), text);
        free(text);
    }
}

int dead_show(const call *c, PGconn *conn)
{
    const char *id = c->words[1];
    const char *params[] = {id, call_has(c, "value") ? "t" : "f"};
    PGresult *row = database_query(c, conn, "the dead letter cannot be read",
                                   subscriber_sql_query("dead_show"), 2, params);
    if (!row)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQntuples(row) == 0)
        code = fault(c, "there is no dead letter %s; postbus dead list shows those there are", id);
    else if (call_has(c, "json"))
        row_print_json(row, 0);
    else
        print_fields(row);
    PQclear(row);
    return code;
}
