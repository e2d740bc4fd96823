/* Fences of past batches, thinned: from them follows how far back a row can lie that is not done yet. */
#ifndef POSTBUS_RELAY_FENCES_H
#define POSTBUS_RELAY_FENCES_H

#include "snapshot.h"

#define FENCES_MOST 512

/* Every row with xid >= x has id > l. */
typedef struct fence {
    uint64_t x;
    int64_t l;
} fence;

typedef struct fences {
    fence list[FENCES_MOST]; /* ascending in both, no x twice; the older, the further apart */
    int n;
    int64_t floor_id; /* rows with this id or a smaller one are all done */
} fences;

void fences_start(fences *f, int64_t floor_id);
/* x and l are not below those of the last one. */
void fences_add(fences *f, uint64_t x, int64_t l);
/* Raises the floor to what follows from s, by which all that it sees is done, and returns it. */
int64_t fences_floor(fences *f, const snapshot *s);

#endif
