/* One-dimensional arrays in PostgreSQL's binary format. */
#ifndef POSTBUS_CORE_ARRAY_H
#define POSTBUS_CORE_ARRAY_H

#include "bytes.h"

#define ARRAY_HEADER_BYTES 20u
#define ARRAY_ELEMENT_BYTES 4u /* what frames each element; all that a NULL takes */

/* Starts an array of n_elements at the start of an empty run. The caller puts exactly that many. */
void array_start(bytes *out, uint32_t element_oid, uint32_t n_elements);
void array_put_null(bytes *out);
/* An element of more than INT32_MAX bytes makes the run fail. */
void array_put(bytes *out, const void *data, size_t size);
/* The frame of an element whose bytes the caller puts next. */
void array_put_size(bytes *out, size_t size);

#endif
