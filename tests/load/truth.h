/* What the tables say is committed. */
#ifndef POSTBUS_LOAD_TRUTH_H
#define POSTBUS_LOAD_TRUTH_H

#include "stage.h"
#include "verdict.h"

typedef struct truth {
    truth_event *events;
    size_t n;
    size_t capacity;
} truth;

/* Makes the empty tables of the load. Says on stderr why not. */
bool truth_prepare(const plan *p);

/* Reads torture.truth. Says on stderr why not. */
bool truth_read(const plan *p, truth *out);
void truth_free(truth *t);

/* Commits what is still prepared, and waits until postbus.backlog() counts nothing pending; false when
 * deadline_ms has passed. */
bool truth_wait_published(const plan *p, int64_t deadline_ms);

#endif
