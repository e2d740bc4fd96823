/* Events that wait in memory for another attempt, and those of their keys that wait behind them. One thread at a time. */
#ifndef POSTBUS_WORKER_WAITING_H
#define POSTBUS_WORKER_WAITING_H

#include "event.h"

enum { WAITING_BUCKETS = 1024 };

/* A line is an event with those behind it. Zeroed: empty. */
typedef struct waiting {
    event **heap; /* the first events of all lines, the one that is due first at the top */
    size_t n, capacity;
    event *buckets[WAITING_BUCKETS]; /* those with a key, by its hash */
} waiting;

/* Frees the events, too. */
void waiting_done(waiting *w);

/* e, with all that is behind it already, is to be tried then (feed_now_ms). No line of its key is here. false: no memory, and nothing has changed. */
bool waiting_put(waiting *w, event *e, int64_t due_ms);

/* e goes behind what waits of its key; false: nothing does. */
bool waiting_follow(waiting *w, event *e);

/* When the first one is due; INT64_MAX: none waits. */
int64_t waiting_due_ms(const waiting *w);

/* Takes the first one that is due out, and those behind it stay behind it; NULL: none waits. */
event *waiting_take(waiting *w);

/* Takes the one behind e, with all that is behind that; NULL: there is none. */
event *waiting_next(event *e);

#endif
