/* Bytes that may be text, as members of a JSON object. */
#ifndef POSTBUS_WORK_BYTES_JSON_H
#define POSTBUS_WORK_BYTES_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Base64 with padding, as a JSON string; NULL: no memory. */
json_t *bytes_base64_json(const void *bytes, size_t size);

/* Sets NAME to the bytes as text, or, where they are no UTF-8, NAME_base64; bytes NULL: NAME is null. */
void bytes_json_set(json_t *object, const char *name, const void *bytes, size_t size);

#endif
