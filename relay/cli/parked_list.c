/* postbus parked list and show: prints parked events; never a payload. */
#include "parked.h"

#include "database.h"
#include "postbus_sql.h"
#include "row_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* bytea comes as \x and hex; the caller frees the text. */
static char *key_text(const char *hex)
{
    size_t n;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)hex, &n);
    json_t *text = bytes ? json_stringn((const char *)bytes, n) : NULL; /* NULL where it is no UTF-8 */
    char *out = text ? json_dumps(text, JSON_ENCODE_ANY) : strdup(hex);
    json_decref(text);
    PQfreemem(bytes);
    return out;
}

enum list_column {
    L_ID,
    L_TOPIC,
    L_KEY,
    L_REASON,
    L_CODE,
    L_WAITS_FOR,
    L_ATTEMPTS,
    L_WISH,
    L_PARKED_AT,
    L_TOTAL
};

static void print_row(const PGresult *rows, int row)
{
    char *key = PQgetisnull(rows, row, L_KEY) ? strdup("-") : key_text(PQgetvalue(rows, row, L_KEY));
    printf("%-12s %-24s %-20s %-22s %-9s %8s  %s%s%s\n", PQgetvalue(rows, row, L_ID),
           PQgetvalue(rows, row, L_TOPIC), key ? key : "", PQgetvalue(rows, row, L_REASON),
           PQgetvalue(rows, row, L_WAITS_FOR), PQgetvalue(rows, row, L_ATTEMPTS),
           PQgetvalue(rows, row, L_PARKED_AT),
           PQgetisnull(rows, row, L_WISH) ? "" : "  wished: ", PQgetvalue(rows, row, L_WISH));
    free(key);
}

static void print_table(const PGresult *rows)
{
    int n = PQntuples(rows);
    if (n == 0) {
        puts("nothing is parked");
        return;
    }
    printf("%-12s %-24s %-20s %-22s %-9s %8s  %s\n", "id", "topic", "key", "reason", "waits for", "attempts",
           "parked at");
    for (int i = 0; i < n; i++)
        print_row(rows, i);
    long long total = strtoll(PQgetvalue(rows, 0, L_TOTAL), NULL, 10);
    if (total > n)
        printf("and %lld more; --limit shows them\n", total - n);
}

int parked_list(const call *c, PGconn *conn)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%" PRId64, call_count(c, "limit", 100));
    const char *params[] = {call_text(c, "topic"), call_text(c, "reason"), limit};
    PGresult *rows =
        database_query(c, conn, "parked events cannot be read", sql_query("parked_list"), 3, params);
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
        const char *name = PQfname(row, i);
        if (PQgetisnull(row, 0, i))
            continue;
        char *key = strcmp(name, "key") == 0 ? key_text(PQgetvalue(row, 0, i)) : NULL;
        printf("%-13s %s\n", name, key ? key : PQgetvalue(row, 0, i));
        free(key);
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
        code = fault(c, "event %s is neither parked nor dead; postbus parked list shows those that are", id);
    else if (call_has(c, "json"))
        row_print_json(row, 0);
    else
        print_fields(row);
    PQclear(row);
    return code;
}
