/* PostgreSQL's answer to the command that publishes: ids, or a status that says what was refused. */
#ifndef POSTBUS_PUBLISHER_ANSWER_H
#define POSTBUS_PUBLISHER_ANSWER_H

#include <postbus/publisher.h>

/* Reads the answer. conn may be NULL; where it is given, a connection found broken explains a missing or
 * failed answer. */
PBUS_MUST_USE pbus_status answer_read(const PGresult *result, const PGconn *conn, size_t n_events,
                                      pbus_published *out_published, pbus_error *err);

/* What a SQLSTATE of the database means here. */
typedef struct answer_meaning {
    pbus_status status;
    bool retriable;
    const char *remedy; /* appended where the database gave no hint; NULL for none */
} answer_meaning;
answer_meaning answer_meaning_of(const char *sqlstate);

/* A connection that is lost or gave no answer. */
PBUS_MUST_USE pbus_status answer_lost(const PGconn *conn, pbus_error *err);

#endif
