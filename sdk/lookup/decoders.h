/* Decoders of values by the frames that these begin with: each is made once for a topic and a schema, and kept. That there is none is known for
 * SCHEMA_LOOKUP_PAUSE_MS: a topic full of values that nobody can read costs a question in that time, and a schema that is added later is found. */
#ifndef POSTBUS_LOOKUP_DECODERS_H
#define POSTBUS_LOOKUP_DECODERS_H

#include <pthread.h>

#include "schema_lookup.h"

enum { DECODERS_MISSED = 64 };

/* A frame that had no decoder a moment ago. */
typedef struct decoders_miss {
    char *topic; /* NULL: none */
    pbus_frame frame;
    int64_t asked_ms; /* schema_lookup_now_ms, before the question */
    pbus_error why;
} decoders_miss;

/* Filled by decoders_init. Any number of threads: who knows is answered at once, also while another asks. */
typedef struct decoders {
    schema_lookup lookup; /* used by whoever asks */
    pbus_schema *reader;  /* what values are read as; NULL: each as what it was written as */
    bool stays_connected; /* between two questions */
    atomic_bool ending;   /* the lookup's */
    pthread_mutex_t asking, looking;
    /* Under `looking`. */
    struct known *known;
    decoders_miss missed[DECODERS_MISSED];
    size_t next_missed;
} decoders;

/* lookup: copied, not connected. reader: shared. */
void decoders_init(decoders *d, const schema_lookup *lookup, pbus_schema *reader, bool stays_connected);
void decoders_done(decoders *d);
/* From any thread, and for good: whoever waits for a database does so no longer. */
void decoders_interrupt(decoders *d);

/* The decoder of a topic's values with such a frame, which is not PBUS_FRAMING_NONE; borrowed until decoders_done.
 *   may_ask   whether to wait for answers; with false, PBUS_OK and *out NULL: it is not known yet
 *   since_ms  that there is none counts where it was asked later than this (schema_lookup_now_ms); 0: whenever
 * Returns: as schema_lookup_find; PBUS_ERROR_INCOMPATIBLE: the reader cannot read what that schema wrote. */
PBUS_MUST_USE pbus_status decoders_find(decoders *d, const char *topic, const pbus_frame *frame, bool may_ask,
                                        int64_t since_ms, const pbus_decoder **out, pbus_error *err);

#endif
