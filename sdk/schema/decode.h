/* A decoder, and the visitors of the library's own. */
#ifndef POSTBUS_SCHEMA_DECODE_H
#define POSTBUS_SCHEMA_DECODE_H

#include "plan.h"

/* How many records, arrays, maps and unions can be open: a union around each of the others. */
#define DECODE_MAX_OPEN (2 * PBUS_SCHEMA_MAX_DEPTH)

struct pbus_decoder {
    pbus_schema *writer, *reader;
    plans plans;
    const plan *root;
    unsigned max_depth;
    uint64_t max_values; /* 0: by the bytes */
};

/* As pbus_decoder_visit, after its arguments were checked. A visitor that fails fills err by itself. */
PBUS_MUST_USE pbus_status decode_bytes(const pbus_decoder *decoder, const void *data, size_t size,
                                       pbus_visitor *visit, void *context, pbus_error *err);
PBUS_MUST_USE pbus_status decode_check(const pbus_decoder *decoder, const void *data, size_t size,
                                       pbus_error *err);

#endif
