/* Bindings: the topics whose events are Avro, and their schemas, as the database has them; their JSON is encoded just before it leaves. */
#ifndef POSTBUS_RELAY_BINDING_H
#define POSTBUS_RELAY_BINDING_H

#include <postbus/schema.h>

#include "page.h"
#include "session.h"

typedef struct binding binding;

typedef struct bindings {
    session *session;
    bool stale; /* the database has others than these, and they are on their way: nothing may leave */
    bool asked;
    int64_t wanted; /* the change that was seen last */
    int64_t change; /* the one these are of; -1: none */
    binding *list;
    uint64_t generation; /* grows with each load: a pointer to one of an earlier is void */
    pbus_buffer scratch; /* the value that was encoded last */
    char *fault;         /* an answer was not of the expected form: the session is to be given up */
} bindings;

/* A new session, which is asked what is bound: nothing leaves before the answer. */
void bindings_start(bindings *b, session *pg);
/* The session is gone. */
void bindings_drop(bindings *b);
void bindings_done(bindings *b);

/* A read has seen this change: its rows, and all that leaves from now on, leave by it. */
void bindings_seen(bindings *b, int64_t change);

/* The topic's; NULL: its events leave as they are. Good until the generation changes. */
const binding *bindings_find(const bindings *b, const char *topic);

typedef enum binding_answer {
    BINDING_AS_IS,    /* Avro already, or a tombstone */
    BINDING_ENCODED,  /* or its frame is another now; *out is borrowed, until the next call */
    BINDING_MISFIT,   /* it is no JSON, or fits no schema of the subject */
    BINDING_NO_MEMORY /* to be tried again */
} binding_answer;
/* By the newest schema of the subject that the value fits: one that was published under an earlier version may not fit a later one. */
binding_answer bindings_encode(bindings *b, const binding *to, const page_event *e, page_bytes *out);

#endif
