/* Reads a key from the command line; must never take it for another key than a list would print that way. */
#include "key_param.h"

#include "row_json.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_hex(const char *text)
{
    if (strncmp(text, "\\x", 2) != 0)
        return false;
    size_t n = 2;
    while (isxdigit((unsigned char)text[n]))
        n++;
    return text[n] == '\0' && n % 2 == 0;
}

static char *hex_of(const char *bytes, size_t size)
{
    char *out = malloc(2 * size + 3);
    if (!out)
        return NULL;
    memcpy(out, "\\x", 3);
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
    return out;
}

char *key_param(const char *text)
{
    if (!text)
        return NULL;
    if (is_hex(text))
        return strdup(text);
    json_t *quoted = *text == '"' ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    char *out =
        quoted ? hex_of(json_string_value(quoted), json_string_length(quoted)) : hex_of(text, strlen(text));
    json_decref(quoted);
    return out;
}

/* "42" in quotes may have been meant as four characters: the bytes are beyond doubt. */
void key_param_tell(const char *key)
{
    char *text = row_bytes_text(key);
    fputs("with the key ", stdout);
    row_print_text(text ? text : key);
    printf(text && strcmp(text, key) != 0 ? ", which is %s in hex:\n" : ":\n", key);
    free(text);
}
