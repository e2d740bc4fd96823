/* postbus schema add, and check against a subject: judges a schema by the versions in the database; never adds one that it has not judged by the
 * newest version in the same transaction. */
#include "database.h"
#include "postbus_sql.h"
#include "schema.h"
#include "schema_registry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum version_column { V_VERSION, V_ID, V_TEXT };

/* A subject's versions, as rows and as schemas. */
typedef struct versions {
    PGresult *rows;
    size_t n;
    pbus_schema **schemas;
    const char **names; /* as messages have them */
    char *name_texts;
} versions;

#define NAME_BYTES 24

static void versions_done(versions *v)
{
    for (size_t i = 0; v->schemas && i < v->n; i++)
        pbus_schema_free(v->schemas[i]);
    free(v->schemas);
    free(v->names);
    free(v->name_texts);
    PQclear(v->rows);
}

static int versions_read(const call *c, PGconn *conn, const char *subject, versions *v)
{
    pbus_error err;
    v->rows =
        database_query(c, conn, "the versions cannot be read", sql_query("schema_versions"), 1, &subject);
    if (!v->rows)
        return EXIT_FAULT;
    v->n = (size_t)PQntuples(v->rows);
    v->schemas = calloc(v->n + 1, sizeof(pbus_schema *));
    v->names = calloc(v->n + 1, sizeof(char *));
    v->name_texts = calloc(v->n + 1, NAME_BYTES);
    if (!v->schemas || !v->names || !v->name_texts)
        return fault(c, "no memory for %zu versions", v->n);
    for (size_t i = 0; i < v->n; i++) {
        const char *text = PQgetvalue(v->rows, (int)i, V_TEXT);
        char *name = v->name_texts + i * NAME_BYTES;
        snprintf(name, NAME_BYTES, "version %s", PQgetvalue(v->rows, (int)i, V_VERSION));
        v->names[i] = name;
        if (pbus_schema_parse(text, strlen(text), NULL, 0, &v->schemas[i], &err) != PBUS_OK)
            return fault(c, "%s of %s: %s", name, subject, err.message);
    }
    return EXIT_OK;
}

static int judge(const call *c, PGconn *conn, const char *subject, const pbus_schema *schema,
                 const char *mode_name, versions *v)
{
    pbus_compatibility mode = PBUS_COMPATIBILITY_BACKWARD;
    pbus_error err;
    if (mode_name && pbus_compatibility_parse(mode_name, &mode, &err) != PBUS_OK)
        return fault(c, "%s", err.message);
    int code = versions_read(c, conn, subject, v);
    return code == EXIT_OK ? schema_judge(c, schema, v->schemas, v->names, v->n, mode) : code;
}

/* The row that has this very text; -1: none. */
static int find_text(const versions *v, const pbus_schema *schema)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(PQgetvalue(v->rows, (int)i, V_TEXT), pbus_schema_text(schema, NULL)) == 0)
            return (int)i;
    return -1;
}

/* The functions that check JSON by the schema; and, with rebind, what is bound to the subject is checked by the newest from now on. */
static bool make_check(const call *c, PGconn *conn, const pbus_schema *schema, const char *id, bool rebind)
{
    static const char failed[] = "the schema's check cannot be made";
    char function[48];
    pbus_error err;
    pbus_buffer script = PBUS_BUFFER_INIT;
    snprintf(function, sizeof function, "postbus.avro_%s", id);
    pbus_status status = pbus_schema_check_sql(schema, function, &script, &err);
    PGresult *made = status == PBUS_OK ? PQexec(conn, (const char *)script.data) : NULL;
    if (status != PBUS_OK)
        fault(c, "%s", err.message);
    else if (PQresultStatus(made) != PGRES_COMMAND_OK)
        database_fault(c, conn, made, failed);
    bool good = PQresultStatus(made) == PGRES_COMMAND_OK;
    PGresult *rebound =
        good && rebind ? database_query(c, conn, failed, "SELECT postbus.rebind()", 0, NULL) : NULL;
    good = good && (rebound || !rebind);
    PQclear(made);
    PQclear(rebound);
    pbus_buffer_done(&script);
    return good;
}

static int add_version(const call *c, PGconn *conn, const char *subject, const pbus_schema *schema)
{
    char fingerprint[24];
    snprintf(fingerprint, sizeof fingerprint, "%" PRId64, (int64_t)pbus_schema_fingerprint(schema));
    const char *params[] = {subject, pbus_schema_text(schema, NULL), fingerprint};
    PGresult *row = database_query(c, conn, "the schema cannot be added", sql_query("schema_add"), 3, params);
    if (!row)
        return EXIT_FAULT;
    bool has_registry;
    int code = schema_register_new(c, conn, subject, PQgetvalue(row, 0, 1), schema, &has_registry);
    /* What a dry run has not registered cannot be bound to. */
    bool rebind = !(has_registry && call_has(c, "dry-run"));
    if (code == EXIT_OK && !make_check(c, conn, schema, PQgetvalue(row, 0, 1), rebind))
        code = EXIT_FAULT;
    if (code != EXIT_OK) {
        PQclear(row);
        return code;
    }
    if (call_has(c, "dry-run"))
        printf("%s: would be added as version %s\n", subject, PQgetvalue(row, 0, 0));
    else
        printf("%s: added as version %s, id %s\n", subject, PQgetvalue(row, 0, 0), PQgetvalue(row, 0, 1));
    PQclear(row);
    return EXIT_OK;
}

static int add_in_transaction(const call *c, PGconn *conn, const char *subject, const pbus_schema *schema)
{
    char mode_name[32] = "";
    pbus_compatibility asked;
    const char *given = call_text(c, "compatibility");
    if (given && pbus_compatibility_parse(given, &asked, NULL) == PBUS_OK)
        given = pbus_compatibility_name(asked);
    const char *params[] = {subject, given};
    versions v = {.rows = NULL};
    PGresult *row =
        database_query(c, conn, "the subject cannot be written", sql_query("schema_subject"), 2, params);
    if (!row)
        return EXIT_FAULT;
    snprintf(mode_name, sizeof mode_name, "%s", PQgetvalue(row, 0, 0));
    PQclear(row);
    int code = judge(c, conn, subject, schema, mode_name, &v);
    int there = v.schemas ? find_text(&v, schema) : -1;
    if (there >= 0) {
        /* An earlier postbus may have made the check. */
        code = make_check(c, conn, schema, PQgetvalue(v.rows, there, V_ID), false) ? EXIT_OK : EXIT_FAULT;
        if (code == EXIT_OK)
            printf("%s: is version %s already, id %s\n", subject, PQgetvalue(v.rows, there, V_VERSION),
                   PQgetvalue(v.rows, there, V_ID));
    } else if (code == EXIT_OK) {
        code = add_version(c, conn, subject, schema);
    }
    versions_done(&v);
    return code;
}

int schema_add(const call *c, PGconn *conn)
{
    pbus_schema *schema = schema_of_file(c, c->words[2]);
    PGresult *begin =
        schema ? database_query(c, conn, "no transaction can be begun", "BEGIN", 0, NULL) : NULL;
    int code = begin ? add_in_transaction(c, conn, c->words[1], schema) : EXIT_FAULT;
    bool keep = code == EXIT_OK && !call_has(c, "dry-run");
    PGresult *end =
        begin && keep ? database_query(c, conn, "the schema cannot be added", "COMMIT", 0, NULL) : NULL;
    if (keep && !end)
        code = EXIT_FAULT;
    PQclear(begin);
    PQclear(end);
    pbus_schema_free(schema);
    return code;
}

int schema_check_subject(const call *c, PGconn *conn)
{
    const char *subject = call_text(c, "subject"), *mode = call_text(c, "compatibility");
    versions v = {.rows = NULL};
    pbus_schema *schema = schema_of_file(c, c->words[1]);
    PGresult *row =
        schema ? database_query(c, conn, "the subject cannot be read", sql_query("schema_mode"), 1, &subject)
               : NULL;
    int code = EXIT_FAULT;
    if (row && PQntuples(row) == 0)
        code = fault(c, "there is no subject \"%s\"; postbus schema list shows them", subject);
    else if (row)
        code = judge(c, conn, subject, schema, mode ? mode : PQgetvalue(row, 0, 0), &v);
    if (code == EXIT_OK)
        printf("%s is good: compatible with %s, by the mode %s\n", c->words[1], subject,
               mode ? mode : PQgetvalue(row, 0, 0));
    versions_done(&v);
    PQclear(row);
    pbus_schema_free(schema);
    return code;
}
