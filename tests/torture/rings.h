/* A listener of its own that counts the doorbell's rings. */
#ifndef POSTBUS_TORTURE_RINGS_H
#define POSTBUS_TORTURE_RINGS_H

#include "stage.h"

typedef struct rings rings;

/* Returns when it listens, or with NULL. It follows the database through crashes; what rings meanwhile it
 * misses. */
rings *rings_start(const char *database);

/* How many transactions rang. */
int64_t rings_stop(rings *r);

#endif
