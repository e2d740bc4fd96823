/* The Parsing Canonical Form of a schema, and its CRC-64-AVRO. */
#ifndef POSTBUS_SCHEMA_CANONICAL_H
#define POSTBUS_SCHEMA_CANONICAL_H

#include "bytes.h"
#include "type.h"

/* Puts the form, with a NUL behind it. PBUS_ERROR_LIMIT where definitions stand in one another deeper than
 * PBUS_SCHEMA_MAX_DEPTH; the run may have failed too. */
PBUS_MUST_USE pbus_status canonical_put(bytes *out, const pbus_schema *schema, pbus_error *err);

uint64_t fingerprint_of(const void *data, size_t size);

#endif
