/* A bytea[] in PostgreSQL's binary format, built element by element. */
#ifndef POSTBUS_CLI_BYTES_ARRAY_H
#define POSTBUS_CLI_BYTES_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bytes_array {
    char *data;
    size_t size, capacity;
    int n;
} bytes_array;

/* False without memory; the array is as it was. */
bool bytes_array_add(bytes_array *array, const void *bytes, size_t size);

/* The parameter's bytes, valid until the next change; *out_size is their number. An array without elements has them too. */
const char *bytes_array_param(bytes_array *array, int *out_size);

/* Forgets the elements and keeps the memory. */
void bytes_array_clear(bytes_array *array);
void bytes_array_done(bytes_array *array);

#endif
