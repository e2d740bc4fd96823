/* The topic of dead letters of a subscription without a database: records that this process produces itself. */
#ifndef POSTBUS_WORKER_OUTLET_H
#define POSTBUS_WORKER_OUTLET_H

#include "feed.h"

typedef struct outlet outlet;

/* NULL: message says why. */
outlet *outlet_new(const feed *f, char *message, size_t message_size);
void outlet_free(outlet *o);

typedef enum outlet_end {
    OUTLET_SENT,
    OUTLET_STOPPED, /* the subscription has ended, or its partitions move, and nobody knows */
    OUTLET_REFUSED, /* the topic does not take it; out_why says why */
} outlet_end;

/* Produces the dead letter of an event and waits until a broker has it, trying again while none answers. Any thread; one at a time, others wait. */
outlet_end outlet_send(outlet *o, feed *f, const event *e, const char *reason, const char *error,
                       const char **out_why);

#endif
