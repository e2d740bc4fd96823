/* Positions of a worker without a database: those of its consumer group, in Kafka. */
#ifndef POSTBUS_WORKER_OFFSETS_H
#define POSTBUS_WORKER_OFFSETS_H

#include "assignment.h"

typedef struct offsets {
    assignment *mine;
    rd_kafka_queue_t *answers; /* to commits */
    bool asked;                /* an answer is still to come */
} offsets;

/* For a consumer that is there; mine: its assignment. */
void offsets_init(offsets *o, assignment *mine);
/* Before the consumer is destroyed. */
void offsets_done(offsets *o);

/* As assignment_place, from the positions of the group. */
PBUS_MUST_USE pbus_status offsets_place(offsets *o, pbus_error *err);

/* Commits how far all is done, where that has changed. wait_ms: for the answer, at most; 0: it is looked for with the next call. What fails is told, and
 * done again with the next call. */
void offsets_move(offsets *o, int64_t wait_ms);

#endif
