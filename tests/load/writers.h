/* The writers of a run: one thread and one database session each. */
#ifndef POSTBUS_LOAD_WRITERS_H
#define POSTBUS_LOAD_WRITERS_H

#include "scenario.h"

#define WRITERS_SCENARIOS_MAX 24

typedef struct writers_counts {
    int64_t outcomes[WRITERS_SCENARIOS_MAX][OUTCOMES]; /* by the index in scenarios[] */
    int64_t stragglers;
    int64_t reconnects; /* beyond each writer's first connection */
} writers_counts;

typedef struct writers writers;

/* NULL when a thread cannot be started. They work until the stage stops. */
writers *writers_start(stage *st);

/* Waits for the threads to end, adds up their counts, and frees. */
void writers_join(writers *w, writers_counts *out);

#endif
