/* What the tests of schemas share: texts in, texts out. */
#ifndef TESTS_SCHEMA_STAGE_H
#define TESTS_SCHEMA_STAGE_H

#include "cmocka_all.h"

#include <string.h>

#include <postbus/schema.h>

/* What a call said: its result or, where it failed, "STATUS: message". Storage of the stage, until the next call. */
pbus_schema *stage_schema(const char *text);
const char *stage_refusal(const char *text);

/* JSON to bytes, as hexadecimal digits. */
const char *stage_encode(const char *schema, const char *json, pbus_json_form form);
/* Bytes (hexadecimal digits, blanks between) to JSON. */
const char *stage_decode(const char *writer, const char *reader, const char *hex, pbus_json_form form);
/* JSON as the writer has it to JSON as the reader has it, both plain. */
const char *stage_resolve(const char *writer, const char *reader, const char *json);

size_t stage_bytes(const char *hex, unsigned char *out);

/* The text begins with "STATUS: " and holds the part. */
void stage_expect_failure(const char *name, const char *said, const char *status, const char *part);

#endif
