/* avro-c's values: which of its types stands for which of ours. Its error text is one buffer for the whole process, so it is never read. */
#ifndef POSTBUS_SCHEMA_AVRO_C_H
#define POSTBUS_SCHEMA_AVRO_C_H

/* avro-c's headers use names that -Wpedantic and -Wshadow dislike. */
#include <avro.h>

#include "type.h"

static inline avro_type_t avro_c_type(type_kind kind)
{
    static const avro_type_t types[] = {
        [TYPE_NULL] = AVRO_NULL,   [TYPE_BOOLEAN] = AVRO_BOOLEAN, [TYPE_INT] = AVRO_INT32,
        [TYPE_LONG] = AVRO_INT64,  [TYPE_FLOAT] = AVRO_FLOAT,     [TYPE_DOUBLE] = AVRO_DOUBLE,
        [TYPE_BYTES] = AVRO_BYTES, [TYPE_STRING] = AVRO_STRING,   [TYPE_RECORD] = AVRO_RECORD,
        [TYPE_ENUM] = AVRO_ENUM,   [TYPE_FIXED] = AVRO_FIXED,     [TYPE_ARRAY] = AVRO_ARRAY,
        [TYPE_MAP] = AVRO_MAP,     [TYPE_UNION] = AVRO_UNION,
    };
    return types[kind];
}

#endif
