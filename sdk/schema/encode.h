/* From JSON to Avro's binary encoding. */
#ifndef POSTBUS_SCHEMA_ENCODE_H
#define POSTBUS_SCHEMA_ENCODE_H

#include "bytes.h"
#include "place.h"
#include "reals.h"
#include "type.h"

typedef enum encode_form {
    ENCODE_AVRO = PBUS_JSON_AVRO,
    ENCODE_PLAIN = PBUS_JSON_PLAIN,
    ENCODE_DEFAULT, /* a field's default: as ENCODE_AVRO, but a union's value is of the first branch, without a
                       tag, and fields may be missing that have a default */
} encode_form;

typedef struct encoding {
    bytes out;
    size_t most_bytes; /* that out may have */
    encode_form form;
    reals *numbers; /* NULL: the JSON is of no text of its own */
    uint64_t values_left;
    unsigned depth;
    pbus_error *err;
    pbus_status status;
} encoding;

/* False: e->status and e->err say why, and out holds a part. */
bool encode_json(encoding *e, const type *t, const json_t *json, const place *at);

/* Fails with PBUS_ERROR_MISFIT and the place. */
bool encode_refuse(encoding *e, const place *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails with PBUS_ERROR_LIMIT where the value takes more bytes than one may have, with so many more. */
bool encode_spare(encoding *e, size_t more, const place *at);

/* What a message shows of a JSON value: a short piece of it. */
typedef struct encode_shown {
    char text[64];
} encode_shown;
encode_shown encode_show(encoding *e, const json_t *json);

/* The branch of a union that a value without a tag is for (encode_union.c); false: refused. */
bool encode_union(encoding *e, const type *t, const json_t *json, const place *at);

#endif
