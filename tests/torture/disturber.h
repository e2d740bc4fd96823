/* What goes wrong during a run, on purpose. */
#ifndef POSTBUS_TORTURE_DISTURBER_H
#define POSTBUS_TORTURE_DISTURBER_H

#include "relay_process.h"

typedef struct disturbance {
    int64_t writers_terminated;
    int64_t relays_terminated;
    int64_t postgres_crashes;
    int64_t broker_kills;
    int64_t failed_commands; /* a server did not come back: the run proves nothing */
} disturbance;

/* Disturbs as the plan's kind says until the stage's seconds are over; all servers and the relay run when it
 * returns. */
void disturb(stage *st, relay_process *relay, disturbance *out);

#endif
