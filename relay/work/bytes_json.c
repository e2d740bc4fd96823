/* Shows bytes in JSON; must never change or drop one silently. */
#include "bytes_json.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

json_t *bytes_base64_json(const void *bytes, size_t size)
{
    unsigned char *text = size <= INT_MAX ? malloc((size + 2) / 3 * 4 + 1) : NULL;
    json_t *json = NULL;
    if (text)
        json = json_stringn((char *)text, (size_t)EVP_EncodeBlock(text, bytes, (int)size));
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
