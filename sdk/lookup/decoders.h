/* Decoders of values by the frames that these begin with: each is made once for a topic and a schema, and kept. */
#ifndef POSTBUS_LOOKUP_DECODERS_H
#define POSTBUS_LOOKUP_DECODERS_H

#include <pthread.h>

#include "schema_lookup.h"

/* Filled by decoders_init. Any number of threads: who knows is answered at once, also while another asks. */
typedef struct decoders {
    schema_lookup lookup; /* used by whoever asks */
    pbus_schema *reader;  /* what values are read as; NULL: each as what it was written as */
    bool keeps_all;       /* what nobody knows is not asked for again, and the connection stays open */
    atomic_bool ending;   /* the lookup's */
    pthread_mutex_t asking, looking;
    struct known *known; /* under `looking` */
} decoders;

/* lookup: copied, not connected. reader: shared. */
void decoders_init(decoders *d, const schema_lookup *lookup, pbus_schema *reader, bool keeps_all);
void decoders_done(decoders *d);
/* From any thread, and for good: whoever waits for a database does so no longer. */
void decoders_interrupt(decoders *d);

/* The decoder of a topic's values with such a frame, which is not PBUS_FRAMING_NONE; borrowed until decoders_done.
 *   may_ask  whether to wait for answers; with false, PBUS_OK and *out NULL: it is not known yet
 * Returns: as schema_lookup_find; PBUS_ERROR_INCOMPATIBLE: the reader cannot read what that schema wrote. */
PBUS_MUST_USE pbus_status decoders_find(decoders *d, const char *topic, const pbus_frame *frame, bool may_ask,
                                        const pbus_decoder **out, pbus_error *err);

#endif
