/* Asks for schemas; must never say that there is none where it could not ask all who may know. */
#include "schema_lookup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "postbus_sql.h"

/* Nobody should wait for long behind a lock that somebody has on those tables. */
#define BEGIN "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'"

bool schema_lookup_failed(pbus_status status)
{
    switch (status) {
    case PBUS_ERROR_MEMORY:
    case PBUS_ERROR_CONNECTION:
    case PBUS_ERROR_PERMISSION:
    case PBUS_ERROR_SCHEMA:
    case PBUS_ERROR_DATABASE:
    case PBUS_ERROR_REGISTRY:
        return true;
    default:
        return false;
    }
}

void schema_lookup_rest(schema_lookup *l)
{
    PQfinish(l->conn);
    l->conn = NULL;
}

static void ignore(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

/* What libpq says, in one line. */
static void said_by(const PGconn *conn, const PGresult *result, char *out, size_t size)
{
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    snprintf(out, size, "%s", primary ? primary : conn ? PQerrorMessage(conn) : "out of memory");
    for (char *c = out; *c; c++)
        if (*c == '\n')
            *c = ' ';
    for (size_t n = strlen(out); n > 0 && out[n - 1] == ' '; n--)
        out[n - 1] = '\0';
}

static pbus_status connect_failed(schema_lookup *l, pbus_error *err)
{
    char said[800];
    said_by(l->conn, NULL, said, sizeof said);
    schema_lookup_rest(l);
    return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true,
                       "the database with the schemas cannot be asked: %s", said);
}

/* What the connection string says comes later, and wins; so does PGCONNECT_TIMEOUT. */
static pbus_status connect(schema_lookup *l, pbus_error *err)
{
    bool own_timeout = getenv("PGCONNECT_TIMEOUT") == NULL;
    const char *keywords[] = {
        "fallback_application_name", own_timeout ? "connect_timeout" : "fallback_application_name",
        "tcp_user_timeout",          "dbname",
        "client_encoding",           NULL};
    const char *values[] = {l->name, own_timeout ? "10" : l->name, "15000", l->conninfo, "UTF8", NULL};
    if (l->conn)
        return PBUS_OK;
    l->conn = PQconnectdbParams(keywords, values, 1);
    if (!l->conn || PQstatus(l->conn) != CONNECTION_OK)
        return connect_failed(l, err);
    PQsetNoticeReceiver(l->conn, ignore, NULL);
    return PBUS_OK;
}

static pbus_status status_of(const char *sqlstate)
{
    /* invalid_schema_name, undefined_table, undefined_column */
    if (strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "42703") == 0)
        return PBUS_ERROR_SCHEMA;
    return strcmp(sqlstate, "42501") == 0 ? PBUS_ERROR_PERMISSION : PBUS_ERROR_DATABASE;
}

static pbus_status query_failed(schema_lookup *l, const PGresult *result, pbus_error *err)
{
    char said[800];
    const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    pbus_status status =
        sqlstate && PQstatus(l->conn) == CONNECTION_OK ? status_of(sqlstate) : PBUS_ERROR_CONNECTION;
    said_by(l->conn, result, said, sizeof said);
    status = failure_sql(err, status, sqlstate, true, "the database with the schemas cannot be asked: %s%s",
                         said, status == PBUS_ERROR_SCHEMA ? "; run postbus migrate in it" : "");
    schema_lookup_rest(l);
    return status;
}

/* The session is closed after any failure: what state it is in is then nobody's business. */
static pbus_status query(schema_lookup *l, const char *const *params, PGresult **out, pbus_error *err)
{
    *out = NULL;
    PGresult *begun = PQexec(l->conn, BEGIN);
    pbus_status status = PQresultStatus(begun) == PGRES_COMMAND_OK ? PBUS_OK : query_failed(l, begun, err);
    PQclear(begun);
    if (status != PBUS_OK)
        return status;
    *out = PQexecParams(l->conn, subscriber_sql_query("schema_of_frame"), 4, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(*out) != PGRES_TUPLES_OK)
        return query_failed(l, *out, err);
    PQclear(PQexec(l->conn, "COMMIT"));
    return PBUS_OK;
}

/* PBUS_OK with *out NULL: it has none. With a registry at hand, the ids of topics that are not bound are not the database's. */
static pbus_status ask_database(schema_lookup *l, const char *topic, const pbus_frame *frame,
                                bool registry_at_hand, pbus_schema **out, pbus_error *err)
{
    char id[16], fingerprint[24];
    PGresult *row = NULL;
    *out = NULL;
    if (!l->conninfo)
        return PBUS_OK;
    snprintf(id, sizeof id, "%" PRId32, frame->schema_id);
    snprintf(fingerprint, sizeof fingerprint, "%" PRId64, (int64_t)frame->fingerprint);
    bool by_id = frame->framing == PBUS_FRAMING_CONFLUENT;
    const char *params[] = {by_id ? id : NULL, by_id ? NULL : fingerprint, topic,
                            registry_at_hand ? "t" : "f"};
    pbus_status status = connect(l, err);
    if (status == PBUS_OK)
        status = query(l, params, &row, err);
    if (status == PBUS_OK && PQntuples(row) == 1)
        status = pbus_schema_parse(PQgetvalue(row, 0, 0), (size_t)PQgetlength(row, 0, 0), NULL, 0, out, err);
    PQclear(row);
    return status;
}

static pbus_status unknown(const schema_lookup *l, const pbus_frame *frame, pbus_error *err)
{
    char where[80];
    snprintf(where, sizeof where, "%s%s%s", l->conninfo ? "the database" : "",
             l->conninfo && l->registry ? " and " : "", l->registry ? "the registry" : "");
    if (frame->framing == PBUS_FRAMING_CONFLUENT)
        return failure(err, PBUS_ERROR_UNKNOWN_SCHEMA,
                       "the schema with the id %" PRId32 " is not known to %s", frame->schema_id, where);
    return failure(err, PBUS_ERROR_UNKNOWN_SCHEMA,
                   "the schema with the fingerprint %016" PRIx64 " is not known to %s%s", frame->fingerprint,
                   where, l->conninfo ? "" : ", which has no fingerprints");
}

pbus_status schema_lookup_find(schema_lookup *l, const char *topic, const pbus_frame *frame,
                               pbus_schema **out, pbus_error *err)
{
    pbus_schema *schema = NULL;
    bool registry = l->registry && frame->framing == PBUS_FRAMING_CONFLUENT;
    pbus_status status = ask_database(l, topic, frame, registry, &schema, err);
    if (status == PBUS_OK && !schema && registry) {
        status = pbus_registry_schema(l->registry, frame->schema_id, &schema, err);
        if (status == PBUS_ERROR_UNKNOWN_SCHEMA)
            status = ask_database(l, topic, frame, false, &schema, err);
    }
    if (status != PBUS_OK)
        return status;
    if (!schema)
        return unknown(l, frame, err);
    *out = schema;
    return PBUS_OK;
}
