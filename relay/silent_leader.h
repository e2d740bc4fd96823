/* A waiting relay ends the session of a leader that has been silent for longer than its lease. */
#ifndef POSTBUS_RELAY_SILENT_LEADER_H
#define POSTBUS_RELAY_SILENT_LEADER_H

#include "session.h"

/* What was seen of the one that leads. Zeroed: nothing yet. */
typedef struct silent_leader {
    int backend;
    int64_t
        changed_us; /* of its state, by the server's time of day: tells whether it has said something, never how long ago */
    int64_t seen_at_us; /* so it was first seen, by our own clock */
    int64_t lease_us;
} silent_leader;

void silent_leader_prepare(session *s);
/* As a statement of the session's next transaction. */
void silent_leader_ask(silent_leader *l, session *s, int64_t now_us);

#endif
