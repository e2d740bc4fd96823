/* Publishing: events become part of the application's own PostgreSQL transaction.
 *
 *     PQclear(PQexec(conn, "BEGIN"));
 *     ... the application's own statements ...
 *     pbus_event event = {.topic = "orders", .key = "42", .key_size = 2,
 *                         .value = json, .value_size = strlen(json)};
 *     pbus_error err;
 *     if (pbus_publish(conn, &event, NULL, NULL, &err) != PBUS_OK)
 *         fprintf(stderr, "%s\n", err.message);   ... and ROLLBACK
 *     PQclear(PQexec(conn, "COMMIT"));
 *
 * An event exists for the world if and only if that transaction commits. The functions here never begin,
 * commit or roll back a transaction, set no savepoint, prepare no statement, start no thread, touch no
 * signal, print nothing, and keep nothing after they return: neither a pointer of the caller's nor anything
 * about the connection. So they work through a transaction pooler, and any number of connections may publish
 * at once; one connection belongs to one thread at a time, as libpq demands. Notices and notifications reach
 * the application's own receivers.
 *
 * What each state of the connection leads to:
 *                                     pbus_publish, pbus_publish_batch    pbus_publish_send
 *   in an open transaction            publishes                           sends
 *   outside a transaction             PBUS_ERROR_NO_TRANSACTION, unless PBUS_ALLOW_AUTOCOMMIT is set (both)
 *   in a failed transaction           PBUS_ERROR_FAILED_TRANSACTION       PBUS_ERROR_FAILED_TRANSACTION
 *   broken                            PBUS_ERROR_CONNECTION               PBUS_ERROR_CONNECTION
 *   another command active, COPY      PBUS_ERROR_BUSY                     PBUS_ERROR_BUSY
 *   pipeline mode, nothing queued     PBUS_ERROR_PIPELINE                 as outside pipeline mode
 *   pipeline mode, commands queued    PBUS_ERROR_PIPELINE                 sends; see there
 *   non-blocking                      publishes, and blocks until done    sends without blocking
 */
#ifndef POSTBUS_PUBLISHER_H
#define POSTBUS_PUBLISHER_H

#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include <postbus/error.h>
#include <postbus/export.h>
#include <postbus/uuid.h>

/* Names and values are text in UTF-8, NUL-terminated, whatever the connection's client_encoding is. Neither
 * may be NULL, a name not empty. */
typedef struct pbus_header {
    const char *name;
    const char *value;
} pbus_header;

/* One event. All pointers are the caller's and are read during the call only. Fill it with a designated
 * initialiser, or zero it first: what is zero is absent. Its layout does not change within a soname. */
typedef struct pbus_event {
    const char *topic;          /* 1 to 249 of a-z A-Z 0-9 . _ -   not NULL; NUL-terminated */
    const void *key;            /* NULL: without a key. Events of one topic and key keep their order. */
    size_t key_size;            /* bytes; 0 where key is NULL */
    const void *value;          /* NULL: a tombstone, which deletes the key from a compacted topic */
    size_t value_size;          /* bytes; 0 where value is NULL; 0 with a value is an empty value */
    const char *type;           /* such as "order.created"; UTF-8, NUL-terminated; NULL: without a type */
    const pbus_header *headers; /* n_headers of them, no name twice; may be NULL where n_headers is 0 */
    size_t n_headers;
    const pbus_uuid *event_id; /* kept as the event's id for ever; NULL: the database derives one */
} pbus_event;

/* What became of an event: its row's number in the outbox, and the id that its subscribers see. */
typedef struct pbus_published {
    int64_t id;
    pbus_uuid event_id;
} pbus_published;

/* Publish although no transaction is open: each call is then a transaction of its own, committed when it
 * returns PBUS_OK. After PBUS_ERROR_CONNECTION it is not known whether it was. */
#define PBUS_ALLOW_AUTOCOMMIT 1u

/* How to publish. NULL in its place means PBUS_PUBLISH_OPTIONS_INIT. */
typedef struct pbus_publish_options {
    size_t size;    /* sizeof(pbus_publish_options): says which fields the caller's headers know */
    uint32_t flags; /* PBUS_ALLOW_…, joined by |; unknown bits are refused */
} pbus_publish_options;

/* clang-format off */
#define PBUS_PUBLISH_OPTIONS_INIT {sizeof(pbus_publish_options), 0}
/* clang-format on */

/* The most that one call may hold, in bytes: the events and their framing, as sent. PostgreSQL takes no
 * message of more than 1 GiB. */
#define PBUS_PUBLISH_MAX_BYTES 1000000000u

#ifdef __cplusplus
extern "C" {
#endif

/* Publishes one event when the application's transaction commits.
 *
 * Never begins or ends a transaction, and makes no copy of its own of key and value. A failure leaves
 * out_published untouched; whether the transaction has failed with it is said at each status in
 * postbus/error.h.
 *   conn           caller's, used during the call; NULL is refused
 *   event          caller's, read during the call; NULL is refused
 *   options        caller's, read during the call; may be NULL
 *   out_published  caller's; may be NULL, which spares the server the derivation of an event id; written on
 *                  PBUS_OK only
 *   err            caller's; may be NULL; written on failure only
 * Returns: PBUS_OK: the event is in the transaction. PBUS_ERROR_PIPELINE on a connection in pipeline mode.
 *   Else any other status but PBUS_ERROR_SKIPPED.
 * Threads: any, one at a time for a connection.
 * Blocks: for one round trip to the server, on a non-blocking connection too. statement_timeout ends it.
 * Since: 0.1. */
PBUS_API PBUS_MUST_USE pbus_status pbus_publish(PGconn *conn, const pbus_event *event,
                                                const pbus_publish_options *options,
                                                pbus_published *out_published, pbus_error *err);

/* Publishes n_events events, in the order of the array, in one round trip: all of them or, on a failure,
 * none.
 *
 * Never splits the batch. It copies the events once, framed, for the time of the call. A failure leaves
 * out_published untouched. A message about one event of several says which, counted from 0, where the library
 * found the fault.
 *   conn, options, err  as in pbus_publish
 *   events              caller's array of n_events, read during the call; may be NULL where n_events is 0
 *   n_events            0: nothing is sent, and the connection is not looked at
 *   out_published       caller's array of n_events; may be NULL; element i is events[i]; written on
 *                       PBUS_OK only
 * Returns: as pbus_publish; also PBUS_ERROR_TOO_LARGE.
 * Threads: as pbus_publish. Blocks: as pbus_publish. Since: 0.1. */
PBUS_API PBUS_MUST_USE pbus_status pbus_publish_batch(PGconn *conn, const pbus_event *events, size_t n_events,
                                                      const pbus_publish_options *options,
                                                      pbus_published *out_published, pbus_error *err);

/* Sends the command that publishes n_events events, and returns without waiting for its answer: for a
 * connection in pipeline mode, or one that an event loop serves. It is one command as PQsendQueryParams sends
 * one: the application then flushes, syncs its pipeline and collects results as ever, and gives this
 * command's result to pbus_publish_read.
 *
 *     PQsendQueryParams(conn, "BEGIN", ...);
 *     PQsendQueryParams(conn, "UPDATE account ...", ...);
 *     pbus_publish_send(conn, &event, 1, NULL, &err);
 *     PQsendQueryParams(conn, "COMMIT", ...);
 *     PQpipelineSync(conn);
 *     ... PQgetResult for each; the third result goes to pbus_publish_read ...
 *
 * While commands are queued in a pipeline the transaction's state is not known on this side: the application
 * vouches that one is open where the command runs. (Without BEGIN, all commands up to PQpipelineSync are one
 * transaction.) A failure leaves nothing sent and the connection as it was, unless it is
 * PBUS_ERROR_CONNECTION.
 *   conn, options, err  as in pbus_publish
 *   events, n_events    as in pbus_publish_batch, but n_events 0 is refused: there would be no result
 * Returns: PBUS_OK: the command is on its way; PBUS_ERROR_PIPELINE and PBUS_ERROR_SKIPPED never; of the
 *   statuses that only the database can know, none.
 * Threads: as pbus_publish.
 * Blocks: on a non-blocking connection never: call PQflush until it returns 0. On a blocking one while the
 *   server takes in what is sent; a pipeline on a blocking connection can deadlock, as libpq's manual warns.
 * Since: 0.1. */
PBUS_API PBUS_MUST_USE pbus_status pbus_publish_send(PGconn *conn, const pbus_event *events, size_t n_events,
                                                     const pbus_publish_options *options, pbus_error *err);

/* Reads the result of a command that pbus_publish_send sent. Touches no connection and does not clear the
 * result.
 *
 * PBUS_OK says that the events are in the transaction, not that it committed. A failure leaves out_published
 * untouched.
 *   result         the application's, from PQgetResult; NULL is refused (PQgetResult had none: the command
 *                  was collected before, or never sent)
 *   n_events       the number given to pbus_publish_send
 *   out_published  caller's array of n_events; may be NULL; written on PBUS_OK only
 *   err            caller's; may be NULL; written on failure only
 * Returns: PBUS_OK; PBUS_ERROR_ARGUMENT where the result is not of such a command or of another number of
 *   events; PBUS_ERROR_SKIPPED for PGRES_PIPELINE_ABORTED; else what the database refused.
 * Threads: any. Blocks: never. Since: 0.1. */
PBUS_API PBUS_MUST_USE pbus_status pbus_publish_read(const PGresult *result, size_t n_events,
                                                     pbus_published *out_published, pbus_error *err);

#ifdef __cplusplus
}
#endif

#endif
