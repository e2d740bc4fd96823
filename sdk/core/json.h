/* JSON strings in plain ASCII, which every client_encoding carries unchanged. */
#ifndef POSTBUS_CORE_JSON_H
#define POSTBUS_CORE_JSON_H

#include "bytes.h"

/* Bytes of the text as a JSON string, quotes included; 0 where it cannot be one that PostgreSQL's jsonb
 * takes: it is not UTF-8 or holds a NUL. */
size_t json_string_size(const char *text, size_t size);

/* Puts it; what json_string_size gave 0 for makes the run fail. */
void json_put_string(bytes *out, const char *text, size_t size);

#endif
