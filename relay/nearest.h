/* The known name nearest to a mistyped one. */
#ifndef POSTBUS_RELAY_NEAREST_H
#define POSTBUS_RELAY_NEAREST_H

#include <stddef.h>

/* How many letters have to be inserted, removed, replaced or swapped with their neighbour to turn a into b. */
size_t nearest_distance(const char *a, const char *b);

typedef struct nearest {
    const char *name; /* NULL: nothing near enough to be meant */
    size_t distance;
} nearest;

/* Takes candidate for the answer if it is nearer to wanted than what *best holds, and near enough: at most a third of its letters differ. */
void nearest_consider(nearest *best, const char *wanted, const char *candidate);

#endif
