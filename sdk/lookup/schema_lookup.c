/* Asks for schemas; must never say that there is none where it could not ask all who may know. */
#include "schema_lookup.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "failure.h"
#include "postbus_sql.h"

/* Nobody should wait for long behind a lock that somebody has on those tables. */
#define BEGIN "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'"

enum { GLANCE_MS = 100 }; /* how soon it is seen that nobody waits any more */

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

int64_t schema_lookup_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_ending(const schema_lookup *l)
{
    return l->ending && atomic_load(l->ending);
}

/* false: nothing has come of the connection in time. */
static bool wait_for(const schema_lookup *l, short events, int64_t until_ms)
{
    for (int64_t left_ms; !is_ending(l) && (left_ms = until_ms - schema_lookup_now_ms()) > 0;) {
        struct pollfd one = {.fd = PQsocket(l->conn), .events = events};
        int n = poll(&one, 1, (int)(left_ms < GLANCE_MS ? left_ms : GLANCE_MS));
        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* libpq finds out what it is */
    }
    return false;
}

static pbus_status overdue(schema_lookup *l, pbus_error *err)
{
    schema_lookup_rest(l);
    return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true,
                       "the database with the schemas cannot be asked: %s",
                       is_ending(l) ? "it is waited for no longer" : "it does not answer");
}

static pbus_status connect_failed(schema_lookup *l, pbus_error *err)
{
    char said[800];
    said_by(l->conn, NULL, said, sizeof said);
    schema_lookup_rest(l);
    return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true,
                       "the database with the schemas cannot be asked: %s", said);
}

/* What the connection string says comes later, and wins. tcp_user_timeout: of several hosts the next is tried while there is time for it. */
static pbus_status connect(schema_lookup *l, int64_t until_ms, pbus_error *err)
{
    static const char *const keywords[] = {"fallback_application_name", "tcp_user_timeout", "dbname",
                                           "client_encoding", NULL};
    const char *values[] = {l->name, "4000", l->conninfo, "UTF8", NULL};
    if (l->conn)
        return PBUS_OK;
    l->conn = PQconnectStartParams(keywords, values, 1);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    if (!l->conn || PQstatus(l->conn) == CONNECTION_BAD)
        return connect_failed(l, err);
    while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        if (!wait_for(l, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ms))
            return overdue(l, err);
        state = PQconnectPoll(l->conn);
    }
    if (state == PGRES_POLLING_FAILED)
        return connect_failed(l, err);
    PQsetNoticeReceiver(l->conn, ignore, NULL);
    return PBUS_OK;
}

/* The last result of what was sent; false: it is overdue. */
static bool receive(schema_lookup *l, int64_t until_ms, PGresult **out)
{
    PGresult *next = NULL;
    *out = NULL;
    do {
        while (PQisBusy(l->conn))
            if (!wait_for(l, POLLIN, until_ms))
                return false;
            else if (!PQconsumeInput(l->conn))
                break;
        next = PQgetResult(l->conn);
        if (next) {
            PQclear(*out);
            *out = next;
        }
    } while (next);
    return true;
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

/* What was sent, or not; the session is closed after any failure: what state it is in is then nobody's business. */
static pbus_status finish(schema_lookup *l, int sent, ExecStatusType wanted, int64_t until_ms, PGresult **out,
                          pbus_error *err)
{
    *out = NULL;
    if (sent && !receive(l, until_ms, out))
        return overdue(l, err);
    return sent && PQresultStatus(*out) == wanted ? PBUS_OK : query_failed(l, *out, err);
}

static pbus_status query(schema_lookup *l, const char *const *params, int64_t until_ms, PGresult **out,
                         pbus_error *err)
{
    PGresult *aside;
    pbus_status status = finish(l, PQsendQuery(l->conn, BEGIN), PGRES_COMMAND_OK, until_ms, &aside, err);
    PQclear(aside);
    if (status != PBUS_OK)
        return status;
    const char *sql = subscriber_sql_query("schema_of_frame");
    status = finish(l, PQsendQueryParams(l->conn, sql, 4, NULL, params, NULL, NULL, 0), PGRES_TUPLES_OK,
                    until_ms, out, err);
    if (status != PBUS_OK)
        return status;
    status = finish(l, PQsendQuery(l->conn, "COMMIT"), PGRES_COMMAND_OK, until_ms, &aside, err);
    PQclear(aside);
    return status;
}

static pbus_status pause_of(const schema_lookup *l, pbus_error *err)
{
    if (err)
        *err = l->pause_reason;
    return l->pause_reason.status;
}

/* The row of the schema, if there is one. */
static pbus_status ask(schema_lookup *l, const char *const *params, PGresult **out, pbus_error *err)
{
    int64_t until_ms = schema_lookup_now_ms() + SCHEMA_LOOKUP_ANSWER_MS;
    if (schema_lookup_now_ms() < l->pause_until_ms)
        return pause_of(l, err);
    pbus_status status = connect(l, until_ms, &l->pause_reason);
    if (status == PBUS_OK)
        status = query(l, params, until_ms, out, &l->pause_reason);
    if (status == PBUS_OK)
        return status;
    l->pause_until_ms = schema_lookup_now_ms() + SCHEMA_LOOKUP_PAUSE_MS;
    return pause_of(l, err);
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
    pbus_status status = ask(l, params, &row, err);
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
