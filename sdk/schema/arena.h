/* Memory that is released all at once. */
#ifndef POSTBUS_SCHEMA_ARENA_H
#define POSTBUS_SCHEMA_ARENA_H

#include <stddef.h>

/* Zeroed storage is an empty one. */
typedef struct arena {
    struct arena_block *blocks; /* the newest first */
} arena;

/* n elements of size bytes, zeroed; NULL without memory. n 0 gives a pointer too. */
void *arena_alloc(arena *a, size_t n, size_t size);
/* A copy with a NUL behind it; NULL without memory. */
char *arena_copy(arena *a, const char *text, size_t size);
void arena_done(arena *a);

#endif
