/* Publishes events in the application's transaction; must never begin or end one, and must leave the
 * connection as it was found. */
#include <postbus/publisher.h>
#include <postbus/version.h>

#include <string.h>

#include "answer.h"
#include "command.h"
#include "failure.h"

static bool publish_is_zero(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i])
            return false;
    return true;
}

/* Options of newer headers are taken as long as they ask for nothing that is unknown here. */
static pbus_status publish_read_options(const pbus_publish_options *options, uint32_t *out_flags,
                                        pbus_error *err)
{
    const size_t known = sizeof *options;
    *out_flags = 0;
    if (!options)
        return PBUS_OK;
    if (options->size < known)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "options->size is %zu; initialise the options with PBUS_PUBLISH_OPTIONS_INIT",
                       options->size);
    if (!publish_is_zero((const unsigned char *)options + known, options->size - known))
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "the options of %zu bytes ask for what this libpostbus " PBUS_VERSION_TEXT
                       " does not know; run the program with a newer one",
                       options->size);
    if (options->flags & ~PBUS_ALLOW_AUTOCOMMIT)
        return failure(err, PBUS_ERROR_ARGUMENT, "options->flags 0x%x has bits that mean nothing",
                       (unsigned)options->flags);
    *out_flags = options->flags;
    return PBUS_OK;
}

static pbus_status publish_check_transaction(PGTransactionStatusType state, uint32_t flags, pbus_error *err)
{
    switch (state) {
    case PQTRANS_INTRANS:
        return PBUS_OK;
    case PQTRANS_IDLE:
        if (flags & PBUS_ALLOW_AUTOCOMMIT)
            return PBUS_OK;
        return failure(err, PBUS_ERROR_NO_TRANSACTION,
                       "no transaction is open on the connection, so the event would not be part of "
                       "one; BEGIN first, or set PBUS_ALLOW_AUTOCOMMIT");
    case PQTRANS_INERROR:
        return failure(err, PBUS_ERROR_FAILED_TRANSACTION,
                       "the transaction has failed before; roll back, or roll back to a savepoint");
    case PQTRANS_ACTIVE:
        return failure(err, PBUS_ERROR_BUSY,
                       "another command is active on the connection; collect its results with "
                       "PQgetResult until it returns NULL");
    default:
        return failure(err, PBUS_ERROR_CONNECTION,
                       "the connection's transaction has no known state; connect again");
    }
}

static pbus_status publish_check_connection(const PGconn *conn, uint32_t flags, bool sends, pbus_error *err)
{
    if (PQstatus(conn) == CONNECTION_BAD)
        return answer_lost(conn, err);
    if (PQstatus(conn) != CONNECTION_OK)
        return failure(err, PBUS_ERROR_BUSY,
                       "the connection is not made yet; call PQconnectPoll until PGRES_POLLING_OK");
    bool pipeline = PQpipelineStatus(conn) != PQ_PIPELINE_OFF;
    if (pipeline && !sends)
        return failure(err, PBUS_ERROR_PIPELINE,
                       "the connection is in pipeline mode, where nothing can wait for an answer; use "
                       "pbus_publish_send");
    PGTransactionStatusType state = PQtransactionStatus(conn);
    if (pipeline && state == PQTRANS_ACTIVE)
        return PBUS_OK; /* what is queued decides, and only the application knows it */
    return publish_check_transaction(state, flags, err);
}

static bool publish_is_ascii_only(const PGconn *conn)
{
    return strcmp(pg_encoding_to_char(PQclientEncoding(conn)), "UTF8") != 0;
}

/* How a command is run: waiting for its answer and telling all ids, or those that cost nothing; or sent
 * only. */
typedef enum publish_way { PUBLISH_AND_TELL, PUBLISH_AND_WAIT, PUBLISH_SEND } publish_way;

static pbus_status publish_prepare(command *cmd, const PGconn *conn, const pbus_event *events,
                                   size_t n_events, const pbus_publish_options *options, publish_way way,
                                   pbus_error *err)
{
    uint32_t flags;
    if (!conn || !events)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", conn ? "the event" : "the connection");
    pbus_status status = publish_read_options(options, &flags, err);
    if (status == PBUS_OK)
        status = publish_check_connection(conn, flags, way == PUBLISH_SEND, err);
    if (status == PBUS_OK)
        status =
            command_build(cmd, events, n_events, way != PUBLISH_AND_WAIT, publish_is_ascii_only(conn), err);
    return status;
}

static pbus_status publish_now(PGconn *conn, const pbus_event *events, size_t n_events,
                               const pbus_publish_options *options, pbus_published *out_published,
                               pbus_error *err)
{
    command cmd = {0};
    publish_way way = out_published ? PUBLISH_AND_TELL : PUBLISH_AND_WAIT;
    pbus_status status = publish_prepare(&cmd, conn, events, n_events, options, way, err);
    if (status == PBUS_OK) {
        PGresult *result =
            PQexecParams(conn, cmd.sql, COMMAND_PARAMETERS, cmd.types, cmd.values, cmd.sizes, cmd.formats, 1);
        status = answer_read(result, conn, n_events, out_published, err);
        PQclear(result);
    }
    command_done(&cmd);
    return status;
}

pbus_status pbus_publish(PGconn *conn, const pbus_event *event, const pbus_publish_options *options,
                         pbus_published *out_published, pbus_error *err)
{
    return publish_now(conn, event, 1, options, out_published, err);
}

pbus_status pbus_publish_batch(PGconn *conn, const pbus_event *events, size_t n_events,
                               const pbus_publish_options *options, pbus_published *out_published,
                               pbus_error *err)
{
    uint32_t flags;
    if (n_events > 0)
        return publish_now(conn, events, n_events, options, out_published, err);
    if (!conn)
        return failure(err, PBUS_ERROR_ARGUMENT, "the connection is NULL");
    return publish_read_options(options, &flags, err);
}

pbus_status pbus_publish_send(PGconn *conn, const pbus_event *events, size_t n_events,
                              const pbus_publish_options *options, pbus_error *err)
{
    command cmd = {0};
    if (n_events == 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "n_events is 0: there is nothing to send");
    pbus_status status = publish_prepare(&cmd, conn, events, n_events, options, PUBLISH_SEND, err);
    if (status == PBUS_OK && !PQsendQueryParams(conn, cmd.sql, COMMAND_PARAMETERS, cmd.types, cmd.values,
                                                cmd.sizes, cmd.formats, 1))
        status = answer_read(NULL, conn, n_events, NULL, err);
    command_done(&cmd);
    return status;
}

pbus_status pbus_publish_read(const PGresult *result, size_t n_events, pbus_published *out_published,
                              pbus_error *err)
{
    if (!result)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "the result is NULL: PQgetResult had none left, so it was collected before or no "
                       "command was sent");
    return answer_read(result, NULL, n_events, out_published, err);
}
