/* What the functions of libpostbus return, and what they can say about a failure.
 *
 * Every function that can fail returns a pbus_status. A caller that wants to know more passes a pbus_error of
 * its own; there is no last error anywhere else, and the library prints and logs nothing. */
#ifndef POSTBUS_ERROR_H
#define POSTBUS_ERROR_H

#include <stdbool.h>

#include <postbus/export.h>

/* "Nothing was sent" means: the transaction is as it was before the call, and the application may go on in
 * it. "The transaction has failed" means: roll back, or roll back to a savepoint; PostgreSQL takes nothing
 * else. */
typedef enum pbus_status {
    PBUS_OK = 0,

    /* Faults of the call. Nothing was sent. */
    PBUS_ERROR_ARGUMENT = 1,           /* an argument that can never be right; the message names it */
    PBUS_ERROR_MEMORY = 2,             /* no memory was left */
    PBUS_ERROR_TOO_LARGE = 3,          /* the call holds more than PBUS_PUBLISH_MAX_BYTES */
    PBUS_ERROR_NO_TRANSACTION = 4,     /* no transaction is open on the connection */
    PBUS_ERROR_FAILED_TRANSACTION = 5, /* the transaction had failed before the call */
    PBUS_ERROR_BUSY = 6,               /* another command is active, or its results are not all read */
    PBUS_ERROR_PIPELINE = 7,           /* the connection is in pipeline mode: use pbus_publish_send */

    /* The event is refused. Refused by the library, nothing was sent (sqlstate is empty); refused by the
     * database, the transaction has failed (sqlstate is PB00n). */
    PBUS_ERROR_TOPIC = 20,   /* PB001: no topic name */
    PBUS_ERROR_VALUE = 21,   /* PB002: the value is larger than postbus.setting allows */
    PBUS_ERROR_HEADERS = 22, /* PB003: unnamed, named twice, NULL, not UTF-8; or too large together */
    PBUS_ERROR_KEY = 23,     /* PB004: the key is larger than postbus.setting allows */
    PBUS_ERROR_TYPE = 24,    /* PB005: too long, not UTF-8, or not to be sent in this client_encoding */

    /* Faults of the database. The transaction has failed, or is gone with its connection. */
    /* The connection is broken. Nothing of its open transaction is published; where its COMMIT had been sent
     * already, or the call was to commit itself (PBUS_ALLOW_AUTOCOMMIT), it is not known whether that took effect. */
    PBUS_ERROR_CONNECTION = 40,
    PBUS_ERROR_READ_ONLY = 41,  /* the transaction is read-only, or the server is a standby */
    PBUS_ERROR_PERMISSION = 42, /* the role may not publish */
    PBUS_ERROR_SCHEMA = 43,     /* the database has no schema postbus, or not this version of it */
    PBUS_ERROR_SKIPPED = 44,    /* in a pipeline: not run, because an earlier command of it failed */
    PBUS_ERROR_DATABASE = 45,   /* anything else that PostgreSQL reports; sqlstate and message say what */

    /* Faults of Avro schemas and values (postbus/schema.h). Nothing was sent, but where the database says it:
     * then sqlstate is PB010, and its transaction has failed. */
    PBUS_ERROR_AVRO_SCHEMA = 60,  /* the text is no Avro schema */
    PBUS_ERROR_INCOMPATIBLE = 61, /* what one schema writes, the other cannot read */
    PBUS_ERROR_MISFIT =
        62, /* the value does not fit its schema (PB010: its topic's); the message has the field's path */
    PBUS_ERROR_CORRUPT = 63, /* the bytes are no value of the schema that is said to have written them */
    PBUS_ERROR_LIMIT = 64,   /* nested too deep or too large: see the limits of postbus/schema.h */
    PBUS_ERROR_FRAMING = 65, /* the bytes do not begin as the framing demands */

    /* Faults of a schema registry (postbus/registry.h). */
    PBUS_ERROR_REGISTRY =
        66, /* it gives no answer that can be used; retriable: the same call may succeed later */
    PBUS_ERROR_UNKNOWN_SCHEMA = 67 /* it has no such schema */
} pbus_status;

/* Room for one sentence or two. What does not fit is cut off. */
#define PBUS_ERROR_MESSAGE_SIZE 1024

/* Storage of the caller, who need not initialise it. A function that fails fills all of it; one that succeeds
 * leaves it alone. It holds no pointer, may be copied, and needs no release. */
typedef struct pbus_error {
    pbus_status status; /* what the function returned */
    /* The same transaction, run again from its beginning (after PBUS_ERROR_CONNECTION: on a new connection),
     * may succeed; where a COMMIT was under way, look first whether it took effect. False: it will fail again
     * until somebody changes something. Of PBUS_ERROR_SKIPPED and PBUS_ERROR_FAILED_TRANSACTION it is false and
     * says nothing: the error that came before them tells. */
    bool retriable;
    char sqlstate[6];                      /* such as "40001"; empty where PostgreSQL gave none */
    char message[PBUS_ERROR_MESSAGE_SIZE]; /* English, with the wrong value and the remedy; NUL-terminated */
} pbus_error;

#ifdef __cplusplus
extern "C" {
#endif

/* The name of a status as these headers write it, such as "PBUS_ERROR_TOPIC"; "PBUS_ERROR_UNKNOWN" for a
 * number that is none. Cannot fail. Returns: a string that belongs to the library and stays valid for ever.
 * Threads: any. Blocks: never. Since: 0.1. */
PBUS_API const char *pbus_status_name(pbus_status status);

#ifdef __cplusplus
}
#endif

#endif
