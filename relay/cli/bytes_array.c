/* Builds a bytea[] parameter; never holds NULL elements. */
#include "bytes_array.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BYTEA_OID 17
#define HEADER_BYTES 20 /* dimensions, has-null flag, element type, length, lower bound */

static bool reserve(bytes_array *array, size_t more)
{
    size_t needed = (array->size ? array->size : HEADER_BYTES) + more;
    if (needed <= array->capacity)
        return true;
    size_t capacity = needed * 2;
    char *grown = realloc(array->data, capacity);
    if (!grown)
        return false;
    array->data = grown;
    array->capacity = capacity;
    return true;
}

static void put_int(char *at, int32_t number)
{
    uint32_t net = htonl((uint32_t)number);
    memcpy(at, &net, sizeof net);
}

bool bytes_array_add(bytes_array *array, const void *bytes, size_t size)
{
    if (size > INT32_MAX || !reserve(array, size + 4))
        return false;
    if (array->size == 0)
        array->size = HEADER_BYTES;
    put_int(array->data + array->size, (int32_t)size);
    if (size > 0)
        memcpy(array->data + array->size + 4, bytes, size);
    array->size += size + 4;
    array->n++;
    return true;
}

const char *bytes_array_param(bytes_array *array, int *out_size)
{
    if (!reserve(array, 0))
        return NULL;
    if (array->size == 0)
        array->size = HEADER_BYTES;
    const int32_t header[] = {1, 0, BYTEA_OID, array->n, 1};
    for (int i = 0; i < 5; i++)
        put_int(array->data + 4 * i, header[i]);
    *out_size = (int)array->size;
    return array->data;
}

void bytes_array_clear(bytes_array *array)
{
    array->size = 0;
    array->n = 0;
}

void bytes_array_done(bytes_array *array)
{
    free(array->data);
    *array = (bytes_array){0};
}
