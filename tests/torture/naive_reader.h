/* A reader that is wrong on purpose: what it loses, the verdict must find. */
#ifndef POSTBUS_TORTURE_NAIVE_READER_H
#define POSTBUS_TORTURE_NAIVE_READER_H

#include "stage.h"

typedef struct naive_reader naive_reader;

/* Publishes the events of the plan's topics to the plan's brokers, from the outbox's present end onwards.
 * NULL: no session. */
naive_reader *naive_reader_new(const plan *p);

/* One look: what has an id above the last one seen. How many events it published, or -1. */
int64_t naive_reader_step(naive_reader *r);

/* Waits until all that was published is acknowledged, and frees. */
bool naive_reader_close(naive_reader *r);

#endif
