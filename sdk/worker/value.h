/* How the values of a subscription are read where they are Avro: which schema each was written with, and what it is as JSON. */
#ifndef POSTBUS_WORKER_VALUE_H
#define POSTBUS_WORKER_VALUE_H

#include <postbus/worker.h>

struct event;

typedef struct value_reader value_reader;

/* A bad option: PBUS_ERROR_ARGUMENT, and nothing in *out. Nobody is asked yet. */
PBUS_MUST_USE pbus_status value_reader_new(const pbus_avro *given, value_reader **out, pbus_error *err);
void value_reader_free(value_reader *r);
/* From any thread, and for good: whoever waits for a database with schemas does so no longer. Takes NULL. */
void value_reader_interrupt(value_reader *r);

typedef enum value_state {
    VALUE_READ,       /* the event has what there is to read, which is nothing for a tombstone */
    VALUE_UNREADABLE, /* the event is marked as unreadable, and says why */
    VALUE_LATER,      /* not now: err says why; nothing is known of the value */
} value_state;

/* Reads the value into the event, once; r NULL: values are not Avro. may_ask false: waits for nobody, and it is VALUE_LATER where somebody would have to be
 * asked. Any number of threads, for different events. */
value_state value_read(value_reader *r, struct event *e, bool may_ask, pbus_error *err);

#endif
