/* JSON from others, read so that no number is lost on the way. */
#ifndef POSTBUS_SCHEMA_JSON_TEXT_H
#define POSTBUS_SCHEMA_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* The value, which is the caller's; NULL: why tells. A key that comes twice is refused. An integer of more than 64 bits is a real number:
 * programs whose only numbers are doubles write 1e20 with all its digits, and so does jsonb. */
json_t *json_text_read(const char *text, size_t size, json_error_t *why);

/* The size of the next number of JSON text at *at or behind it, where *at is then; 0: there is none. */
size_t json_text_number(const char *text, size_t size, size_t *at);
/* Whether a number is read as a real one: it has a point, an exponent or more than 64 bits. */
bool json_text_is_real(const char *number, size_t size);

#endif
