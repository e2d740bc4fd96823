/* Adds schemas to a database; must never leave one without its check. */
#include "avro_subject.h"

#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "pg_query.h"

pbus_schema *avro_schema(const char *text)
{
    pbus_schema *schema = NULL;
    pbus_error err;
    if (pbus_schema_parse(text, strlen(text), NULL, 0, &schema, &err) != PBUS_OK)
        fail_msg("%s: %s", text, err.message);
    return schema;
}

void avro_make_check(PGconn *owner, const pbus_schema *schema, const char *function)
{
    pbus_buffer script = PBUS_BUFFER_INIT;
    pbus_error err;
    assert_int_equal(pbus_schema_check_sql(schema, function, &script, &err), PBUS_OK);
    PGresult *made = PQexec(owner, (const char *)script.data);
    if (PQresultStatus(made) != PGRES_COMMAND_OK)
        fail_msg("%s\n%s", PQerrorMessage(owner), (const char *)script.data);
    PQclear(made);
    pbus_buffer_done(&script);
}

int avro_add(PGconn *owner, const char *subject, const char *text)
{
    char function[48];
    pbus_schema *schema = avro_schema(text);
    pg_run(owner, "BEGIN; INSERT INTO postbus.subject VALUES ('%s', 'none') ON CONFLICT DO NOTHING", subject);
    int id = (int)pg_number(
        owner,
        "WITH one AS (INSERT INTO postbus.schema (fingerprint, text, digest)"
        " VALUES (%lld, '%s', sha256('%s')) RETURNING id)"
        " INSERT INTO postbus.subject_version (subject, version, schema_id)"
        " SELECT '%s', (SELECT count(*) + 1 FROM postbus.subject_version WHERE subject = '%s'), id"
        " FROM one RETURNING schema_id",
        (long long)(int64_t)pbus_schema_fingerprint(schema), text, text, subject, subject);
    snprintf(function, sizeof function, "postbus.avro_%d", id);
    avro_make_check(owner, schema, function);
    pg_run(owner, "SELECT postbus.rebind(); COMMIT");
    pbus_schema_free(schema);
    return id;
}
