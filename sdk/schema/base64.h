/* Base64 with padding (RFC 4648, section 4). */
#ifndef POSTBUS_SCHEMA_BASE64_H
#define POSTBUS_SCHEMA_BASE64_H

#include "bytes.h"

void base64_put(bytes *out, const unsigned char *data, size_t size);
/* Appends the bytes; false, with a part appended, where the text is none. */
bool base64_read(bytes *out, const char *text, size_t size);

#endif
