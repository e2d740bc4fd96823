/* Frames PostgreSQL's binary arrays; must never know what the elements mean. */
#include "array.h"

#define HAS_NULLS_AT 7 /* the last byte of the second word, which says whether an element is NULL */

void array_start(bytes *out, uint32_t element_oid, uint32_t n_elements)
{
    bytes_put_u32(out, 1); /* dimensions */
    bytes_put_u32(out, 0); /* no NULLs so far */
    bytes_put_u32(out, element_oid);
    bytes_put_u32(out, n_elements);
    bytes_put_u32(out, 1); /* the first subscript */
}

void array_put_null(bytes *out)
{
    bytes_put_u32(out, UINT32_MAX);
    if (!out->failed)
        out->data[HAS_NULLS_AT] = 1;
}

void array_put_size(bytes *out, size_t size)
{
    if (size > INT32_MAX) {
        out->failed = true;
        return;
    }
    bytes_put_u32(out, (uint32_t)size);
}

void array_put(bytes *out, const void *data, size_t size)
{
    array_put_size(out, size);
    bytes_put(out, data, size);
}
