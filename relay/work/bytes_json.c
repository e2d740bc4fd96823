/* Shows bytes in JSON; must never change or drop one silently. */
#include "bytes_json.h"

#include <stdio.h>
#include <stdlib.h>

json_t *bytes_base64_json(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((size + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; text && i < size; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16 | (i + 1 < size ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (i + 2 < size ? bytes[i + 2] : 0);
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[group & 63] : '=';
    }
    json_t *json = text ? json_stringn(text, (size_t)(at - text)) : NULL;
    free(text);
    return json;
}

void bytes_json_set(json_t *object, const char *name, const void *bytes, size_t size)
{
    json_t *text = bytes ? json_stringn(bytes, size) : json_null();
    if (text) {
        json_object_set_new(object, name, text);
        return;
    }
    char longer[300];
    snprintf(longer, sizeof longer, "%s_base64", name);
    json_object_set_new(object, longer, bytes_base64_json(bytes, size));
}
