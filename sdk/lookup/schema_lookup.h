/* The schema that a value's frame names: in a database with the schema postbus, in a registry, or in both. */
#ifndef POSTBUS_LOOKUP_SCHEMA_LOOKUP_H
#define POSTBUS_LOOKUP_SCHEMA_LOOKUP_H

#include <libpq-fe.h>
#include <postbus/registry.h>
#include <stdatomic.h>

/* Filled by the caller, and used by one thread at a time. Texts, registry and flag are borrowed. */
typedef struct schema_lookup {
    const char *conninfo;      /* NULL: no database */
    const char *name;          /* of the session, for those who look at it */
    pbus_registry *registry;   /* NULL: none */
    const atomic_bool *ending; /* set by any thread: a database is waited for no longer; NULL: nobody does */
    PGconn *conn;              /* NULL: not connected; connects when it is asked */
    int64_t pause_until_ms;    /* the database could not be asked, and is not asked before */
    pbus_error pause_reason;
} schema_lookup;

/* A database is waited for SCHEMA_LOOKUP_ANSWER_MS at most, from connecting to the answer, and where it could not be asked it is left alone for as long as
 * a registry is: of many who ask one after another only the first waits. */
enum { SCHEMA_LOOKUP_ANSWER_MS = 10000, SCHEMA_LOOKUP_PAUSE_MS = PBUS_REGISTRY_PAUSE_MS };

/* The database is asked first: it knows whose ids a topic's frames have, where the topic is bound. Then the registry, and then the database once more, for ids
 * of its own in a topic that is not bound any more.
 *   out  yours, for pbus_schema_free; written on PBUS_OK only
 * Returns: PBUS_OK; PBUS_ERROR_UNKNOWN_SCHEMA: nobody knows it; PBUS_ERROR_AVRO_SCHEMA, PBUS_ERROR_LIMIT: it is known, and is none that can be read; else
 * it could not be asked for, which schema_lookup_failed tells apart. */
PBUS_MUST_USE pbus_status schema_lookup_find(schema_lookup *l, const char *topic, const pbus_frame *frame,
                                             pbus_schema **out, pbus_error *err);

/* Whether a status says that somebody who may know could not be asked, or only with an error: the same question may have an answer later. */
bool schema_lookup_failed(pbus_status status);

/* By the clock that nobody sets. */
int64_t schema_lookup_now_ms(void);

/* Closes the connection; the next question opens another. */
void schema_lookup_rest(schema_lookup *l);

#endif
