/* postbus dead list, show and audit: prints dead letters; never a payload that was not asked for. */
#include "dead.h"

#include "audit.h"
#include "avro_text.h"
#include "database.h"
#include "postbus_sql.h"
#include "row_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    L_DIED_AT
};

static void print_row(const PGresult *rows, int row)
{
    char error[200] = "-";
    char *key = row_text(rows, row, L_KEY);
    if (!PQgetisnull(rows, row, L_ERROR))
        one_line(PQgetvalue(rows, row, L_ERROR), error, sizeof error);
    printf("%-10s %-16s %-16s %-20s %-18s %-18s %8s  %s  ", PQgetvalue(rows, row, L_N),
           PQgetvalue(rows, row, L_APPLICATION), PQgetvalue(rows, row, L_SUBSCRIPTION),
           PQgetvalue(rows, row, L_TOPIC), key ? key : "", PQgetvalue(rows, row, L_REASON),
           PQgetvalue(rows, row, L_ATTEMPTS), PQgetvalue(rows, row, L_DIED_AT));
    row_print_text(error);
    putchar('\n');
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
    row_print_rest(rows);
}

int dead_audit(const call *c, PGconn *conn)
{
    return audit_print(c, conn, subscriber_sql_query("dead_audit"));
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

static void print_fields(const PGresult *row, const char *avro)
{
    for (int i = 0; i < PQnfields(row); i++) {
        bool decoded = avro && i == PQfnumber(row, "value");
        char *text = PQgetisnull(row, 0, i) || decoded ? NULL : row_text(row, 0, i);
        if (decoded || text) {
            printf("%-13s ", decoded ? "value_avro" : PQfname(row, i));
            row_print_text(decoded ? avro : text);
            putchar('\n');
        }
        free(text);
    }
}

static void print_json(const PGresult *row, const char *avro)
{
    json_t *all = row_json(row, 0),
           *decoded = avro ? json_loads(avro, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    if (decoded) {
        json_object_del(all, "value");
        json_object_set_new(all, "value_avro", decoded);
    }
    json_dumpf(all, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
}

static int print_one(const call *c, const PGresult *row)
{
    avro_text avro;
    size_t size = 0, avro_size;
    int column = PQfnumber(row, "value");
    int code = avro_text_start(&avro, c, c->cfg.database, call_text(c, "schema"));
    unsigned char *value = code == EXIT_OK && !PQgetisnull(row, 0, column)
                               ? PQunescapeBytea((const unsigned char *)PQgetvalue(row, 0, column), &size)
                               : NULL;
    const char *text = code == EXIT_OK ? avro_text_of(&avro, PQgetvalue(row, 0, PQfnumber(row, "topic")),
                                                      value, size, &avro_size)
                                       : NULL;
    if (code == EXIT_OK && call_has(c, "json"))
        print_json(row, text);
    else if (code == EXIT_OK)
        print_fields(row, text);
    PQfreemem(value);
    avro_text_done(&avro);
    return code;
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
    else
        code = print_one(c, row);
    PQclear(row);
    return code;
}
