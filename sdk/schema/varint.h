/* Avro's integers: zigzag, seven bits a byte, the low ones first. */
#ifndef POSTBUS_SCHEMA_VARINT_H
#define POSTBUS_SCHEMA_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX_BYTES 10

/* Writes at most VARINT_MAX_BYTES; returns how many. */
static inline size_t varint_put(unsigned char *out, int64_t value)
{
    uint64_t left = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    size_t n = 0;
    for (; left >= 0x80; left >>= 7)
        out[n++] = (unsigned char)(left | 0x80);
    out[n++] = (unsigned char)left;
    return n;
}

/* Reads from *at and moves it behind the number; false, with *at untouched, where the bytes end or the number does not
 * fit 64 bits. */
static inline bool varint_get(const unsigned char **at, const unsigned char *end, int64_t *out)
{
    const unsigned char *from = *at;
    uint64_t value = 0;
    for (unsigned shift = 0; from < end; shift += 7) {
        unsigned char byte = *from++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *out = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
            *at = from;
            return true;
        }
    }
    return false;
}

#endif
