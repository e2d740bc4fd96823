/* postbus schema list and show: prints what the database keeps; never changes it. */
#include "database.h"
#include "postbus_sql.h"
#include "schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum list_column {
    L_SUBJECT,
    L_VERSION,
    L_ID,
    L_FINGERPRINT,
    L_MODE,
    L_ADDED_AT,
    L_ADDED_BY,
    L_TOPICS,
    L_TOPIC_NAMES
};

static void print_json(const PGresult *rows, int row)
{
    json_t *one = json_pack(
        "{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:o}", "subject", PQgetvalue(rows, row, L_SUBJECT), "version",
        (json_int_t)atoi(PQgetvalue(rows, row, L_VERSION)), "id",
        (json_int_t)atoi(PQgetvalue(rows, row, L_ID)), "fingerprint", PQgetvalue(rows, row, L_FINGERPRINT),
        "compatibility", PQgetvalue(rows, row, L_MODE), "added_at", PQgetvalue(rows, row, L_ADDED_AT),
        "added_by", PQgetvalue(rows, row, L_ADDED_BY), "topics",
        json_loads(PQgetvalue(rows, row, L_TOPICS), 0, NULL));
    json_dumpf(one, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(one);
}

int schema_list(const call *c, PGconn *conn)
{
    const char *subject = call_text(c, "subject");
    PGresult *rows =
        database_query(c, conn, "the schemas cannot be read", sql_query("schema_list"), 1, &subject);
    if (!rows)
        return EXIT_FAULT;
    bool json = call_has(c, "json");
    if (!json && PQntuples(rows) > 0)
        printf("%-32s %7s %6s %-16s %-20s %-20s %s\n", "subject", "version", "id", "fingerprint", "added",
               "compatibility", "topics");
    for (int i = 0; i < PQntuples(rows); i++) {
        if (json)
            print_json(rows, i);
        else
            printf("%-32s %7s %6s %-16s %-20s %-20s %s\n", PQgetvalue(rows, i, L_SUBJECT),
                   PQgetvalue(rows, i, L_VERSION), PQgetvalue(rows, i, L_ID),
                   PQgetvalue(rows, i, L_FINGERPRINT), PQgetvalue(rows, i, L_ADDED_AT),
                   PQgetvalue(rows, i, L_MODE), PQgetvalue(rows, i, L_TOPIC_NAMES));
    }
    PQclear(rows);
    return EXIT_OK;
}

int schema_show(const call *c, PGconn *conn)
{
    const char *params[] = {c->words[1], c->n_words > 2 ? c->words[2] : NULL};
    PGresult *rows =
        database_query(c, conn, "the schema cannot be read", sql_query("schema_show"), 2, params);
    if (!rows)
        return EXIT_FAULT;
    int code = EXIT_OK;
    if (PQntuples(rows) == 0) {
        code = fault(c, "there is no %s%s of \"%s\"; postbus schema list shows them",
                     params[1] ? "version " : "version", params[1] ? params[1] : "", params[0]);
    } else {
        const char *text = PQgetvalue(rows, 0, 0);
        fputs(text, stdout);
        if (*text && text[strlen(text) - 1] != '\n')
            putchar('\n');
    }
    PQclear(rows);
    return code;
}
