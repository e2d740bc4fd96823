/* Reads PostgreSQL's answer; must never write an output of the caller's before all of the answer is known to
 * be sound. */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "failure.h"

/* Searched from the top; a pattern of two characters stands for its whole class. */
static const struct {
    const char *pattern;
    answer_meaning meaning;
} answer_meanings[] = {
    {"PB001", {PBUS_ERROR_TOPIC, false, NULL}},
    {"PB002", {PBUS_ERROR_VALUE, false, NULL}},
    {"PB003", {PBUS_ERROR_HEADERS, false, NULL}},
    {"PB004", {PBUS_ERROR_KEY, false, NULL}},
    {"PB005", {PBUS_ERROR_TYPE, false, NULL}},
    {"PB010", {PBUS_ERROR_MISFIT, false, NULL}},
    {"25006", {PBUS_ERROR_READ_ONLY, false, "Publish in a read-write transaction on the primary."}},
    {"25P02", {PBUS_ERROR_FAILED_TRANSACTION, false, "Roll back, or roll back to a savepoint."}},
    {"42501",
     {PBUS_ERROR_PERMISSION, false, "Let the owner of the database GRANT postbus_publisher to this role."}},
    {"3F000", {PBUS_ERROR_SCHEMA, false, "Run `postbus migrate` on this database."}},
    {"42883", {PBUS_ERROR_SCHEMA, false, "Run `postbus migrate` on this database."}},
    {"42P01", {PBUS_ERROR_SCHEMA, false, "Run `postbus migrate` on this database."}},
    {"57P01",
     {PBUS_ERROR_CONNECTION, true,
      NULL}}, /* the server ended the session: admin, crash, or it starts or stops */
    {"57P02", {PBUS_ERROR_CONNECTION, true, NULL}},
    {"57P03", {PBUS_ERROR_CONNECTION, true, NULL}},
    {"57P05", {PBUS_ERROR_CONNECTION, true, NULL}},
    {"25P03", {PBUS_ERROR_CONNECTION, true, NULL}}, /* idle_in_transaction_session_timeout */
    {"25P04", {PBUS_ERROR_CONNECTION, true, NULL}}, /* transaction_timeout */
    {"08", {PBUS_ERROR_CONNECTION, true, NULL}},
    {"40", {PBUS_ERROR_DATABASE, true, NULL}},    /* serialization failure, deadlock */
    {"53", {PBUS_ERROR_DATABASE, true, NULL}},    /* disk, memory or connections are short */
    {"55P03", {PBUS_ERROR_DATABASE, true, NULL}}, /* lock_timeout */
    {"57014", {PBUS_ERROR_DATABASE, true, NULL}}, /* canceled, or statement_timeout */
};

answer_meaning answer_meaning_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof answer_meanings / sizeof *answer_meanings; i++)
        if (strncmp(sqlstate, answer_meanings[i].pattern, strlen(answer_meanings[i].pattern)) == 0)
            return answer_meanings[i].meaning;
    return (answer_meaning){PBUS_ERROR_DATABASE, false, NULL};
}

/* libpq's messages end with a line break. */
static int answer_line_length(const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
        length--;
    return (int)length;
}

pbus_status answer_lost(const PGconn *conn, pbus_error *err)
{
    const char *message = conn ? PQerrorMessage(conn) : "";
    int length = answer_line_length(message);
    return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true,
                       "the connection to PostgreSQL is broken%s%.*s. Connect again and run the "
                       "transaction from its beginning",
                       length ? ": " : "", length, message);
}

/* An error that has no SQLSTATE comes from libpq itself. */
static pbus_status answer_local_failure(const PGresult *result, const PGconn *conn, pbus_error *err)
{
    if (conn && PQstatus(conn) == CONNECTION_BAD)
        return answer_lost(conn, err);
    const char *message = result ? PQresultErrorMessage(result) : conn ? PQerrorMessage(conn) : "";
    int length = answer_line_length(message);
    if (strstr(message, "out of memory") || strstr(message, "cannot allocate memory"))
        return failure(err, PBUS_ERROR_MEMORY, "libpq: %.*s", length, message);
    return failure_sql(err, PBUS_ERROR_CONNECTION, NULL, true, "libpq: %.*s", length,
                       length ? message : "no answer and no reason");
}

/* The DETAIL is left out: it can quote rows. */
static pbus_status answer_refused(const PGresult *result, const char *sqlstate, pbus_error *err)
{
    answer_meaning meaning = answer_meaning_of(sqlstate);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *remedy = meaning.status != PBUS_ERROR_SCHEMA && hint ? hint : meaning.remedy;
    return failure_sql(err, meaning.status, sqlstate, meaning.retriable, "%s%s%s",
                       primary ? primary : "no message", remedy ? ". " : "", remedy ? remedy : "");
}

static bool answer_is_ours(const PGresult *result)
{
    const Oid int8_oid = 20, uuid_oid = 2950;
    return PQresultStatus(result) == PGRES_TUPLES_OK && PQnfields(result) == 2 && PQfformat(result, 0) == 1 &&
           PQfformat(result, 1) == 1 && PQftype(result, 0) == int8_oid && PQftype(result, 1) == uuid_oid;
}

/* Who wants no ids was not promised event ids either. */
static bool answer_is_whole(const PGresult *result, size_t n_events, bool with_event_ids)
{
    if ((size_t)PQntuples(result) != n_events)
        return false;
    for (int i = 0; i < PQntuples(result); i++)
        if (PQgetlength(result, i, 0) != 8 ||
            (with_event_ids && PQgetlength(result, i, 1) != (int)sizeof(pbus_uuid)))
            return false;
    return true;
}

static pbus_status answer_take(const PGresult *result, size_t n_events, pbus_published *out_published,
                               pbus_error *err)
{
    if (!answer_is_ours(result))
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "the result (%s, %d columns) is not of a command of pbus_publish_send; collect "
                       "results in the order of the commands, and not row by row",
                       PQresStatus(PQresultStatus(result)), PQnfields(result));
    if (!answer_is_whole(result, n_events, out_published != NULL))
        return failure(err, PBUS_ERROR_ARGUMENT, "the result tells of %d events, but n_events is %zu",
                       PQntuples(result), n_events);
    for (int i = 0; out_published && i < PQntuples(result); i++) {
        out_published[i].id = (int64_t)bytes_get_u64(PQgetvalue(result, i, 0));
        memcpy(out_published[i].event_id.bytes, PQgetvalue(result, i, 1),
               sizeof out_published[i].event_id.bytes);
    }
    return PBUS_OK;
}

pbus_status answer_read(const PGresult *result, const PGconn *conn, size_t n_events,
                        pbus_published *out_published, pbus_error *err)
{
    if (!result)
        return answer_local_failure(NULL, conn, err);
    switch (PQresultStatus(result)) {
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_BAD_RESPONSE:
        break;
    case PGRES_PIPELINE_ABORTED:
        return failure(err, PBUS_ERROR_SKIPPED,
                       "not published: an earlier command of the pipeline failed. Its result says why; "
                       "roll back and run the transaction again");
    default:
        return answer_take(result, n_events, out_published, err);
    }
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return sqlstate ? answer_refused(result, sqlstate, err) : answer_local_failure(result, conn, err);
}
