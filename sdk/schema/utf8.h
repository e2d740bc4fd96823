/* Checking UTF-8 that mostly is ASCII, which most text is: eight bytes at a time. */
#ifndef POSTBUS_SCHEMA_UTF8_H
#define POSTBUS_SCHEMA_UTF8_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "text.h"

/* As text_find_fault: SIZE_MAX where all of it is UTF-8. */
static inline size_t utf8_find_fault(const void *text, size_t size)
{
    const unsigned char *data = text;
    uint64_t word, seen = 0;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&word, data + i, 8);
        seen |= word;
    }
    for (; i < size; i++)
        seen |= data[i];
    return seen & UINT64_C(0x8080808080808080) ? text_find_fault(text, size) : SIZE_MAX;
}

#endif
