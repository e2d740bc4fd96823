/* Attempts that failed with their sessions: each is written down when its event has been read again, behind what comes before it. */
#ifndef POSTBUS_WORKER_OWED_H
#define POSTBUS_WORKER_OWED_H

#include <stdbool.h>
#include <stddef.h>

#include "event.h"

struct attempt;

/* What events that never come again leave is soon pushed out by others. */
enum { OWED_MOST = 16 };

typedef struct owed {
    struct owed_entry *entries[OWED_MOST]; /* the oldest first */
    size_t n;
} owed;

void owed_done(owed *o);

/* Keeps a copy; where there is no room for it the oldest goes, which then does not count. false: no memory. */
bool owed_add(owed *o, const struct attempt *a);
bool owed_has(const owed *o, const event *e);
/* true: *out was kept for the event, and is so no more. */
bool owed_take(owed *o, const event *e, struct attempt *out);

#endif
