/* Grows and fills runs of bytes; must never write beyond what it reserved, nor lose a failure. */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

bool size_add(size_t *total, size_t more)
{
    if (more > SIZE_MAX - *total)
        return false;
    *total += more;
    return true;
}

void bytes_done(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}

void bytes_reserve(bytes *b, size_t more)
{
    size_t needed = b->size;
    if (b->failed || !size_add(&needed, more)) {
        b->failed = true;
        return;
    }
    if (needed <= b->capacity)
        return;
    size_t capacity = b->capacity;
    if (!size_add(&capacity, capacity / 2 + 64) || capacity < needed)
        capacity = needed;
    unsigned char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return;
    }
    b->data = data;
    b->capacity = capacity;
}

void bytes_put(bytes *b, const void *data, size_t size)
{
    bytes_reserve(b, size);
    if (b->failed || size == 0)
        return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_put_u8(bytes *b, uint8_t value)
{
    bytes_put(b, &value, 1);
}

void bytes_put_u32(bytes *b, uint32_t value)
{
    const unsigned char wire[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                   (unsigned char)(value >> 8), (unsigned char)value};
    bytes_put(b, wire, sizeof wire);
}

uint64_t bytes_get_u64(const void *data)
{
    const unsigned char *wire = data;
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | wire[i];
    return value;
}
