/* JSON from others, read so that no number is lost on the way. */
#ifndef POSTBUS_SCHEMA_JSON_TEXT_H
#define POSTBUS_SCHEMA_JSON_TEXT_H

#include <jansson.h>

/* The value, which is the caller's; NULL: why tells. A key that comes twice is refused. An integer of more than 64 bits is a real number:
 * programs whose only numbers are doubles write 1e20 with all its digits, and so does jsonb. */
json_t *json_text_read(const char *text, size_t size, json_error_t *why);

#endif
