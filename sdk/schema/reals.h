/* Real numbers of JSON as they were written: what was read from the text has doubles of them. */
#ifndef POSTBUS_SCHEMA_REALS_H
#define POSTBUS_SCHEMA_REALS_H

#include <jansson.h>
#include <stdbool.h>

typedef struct reals {
    const json_t *root; /* what was read */
    const char *text;   /* from this */
    size_t size;
    struct real *found; /* NULL: nobody has asked yet */
    size_t n, capacity;
} reals;

/* The text of a real number that stands in the root, borrowed from the root's; false: there is no memory. */
bool reals_find(reals *r, const json_t *number, const char **out, size_t *out_size);
void reals_done(reals *r);

#endif
