/* A growing run of bytes that remembers a failure, so that a writer checks once, at its end. */
#ifndef POSTBUS_CORE_BYTES_H
#define POSTBUS_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bytes {
    unsigned char *data;
    size_t size;
    size_t capacity;
    bool failed; /* memory was refused, or a size would not fit a size_t; what follows is ignored */
} bytes;

/* Zeroed storage is an empty run. */
void bytes_done(bytes *b);
void bytes_reserve(bytes *b, size_t more);
void bytes_put(bytes *b, const void *data, size_t size);
void bytes_put_u8(bytes *b, uint8_t value);
void bytes_put_u32(bytes *b, uint32_t value); /* big-endian, as PostgreSQL's protocol has it */

/* Reading back what PostgreSQL sent. */
uint64_t bytes_get_u64(const void *data);

/* *total += more; false, and *total untouched, where that overflows. */
bool size_add(size_t *total, size_t more);

#endif
