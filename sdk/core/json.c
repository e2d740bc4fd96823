/* Writes JSON strings; must never put a byte that is not printable ASCII, nor a character the caller did not
 * give. */
#include "json.h"

#include <string.h>

#include "text.h"

/* The character that stands behind a backslash for this one; 0 where there is none. */
static char json_short_escape(uint32_t character)
{
    switch (character) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool json_is_plain(uint32_t character)
{
    return character >= 0x20 && character < 0x7F;
}

static size_t json_character_size(uint32_t character)
{
    if (json_short_escape(character))
        return 2;
    if (json_is_plain(character))
        return 1;
    return character > 0xFFFF ? 12 : 6;
}

static void json_put_unit(bytes *out, uint32_t unit)
{
    static const char digit[] = "0123456789abcdef";
    const char escape[6] = {
        '\\', 'u', digit[unit >> 12 & 15], digit[unit >> 8 & 15], digit[unit >> 4 & 15], digit[unit & 15]};
    bytes_put(out, escape, sizeof escape);
}

static void json_put_character(bytes *out, uint32_t character)
{
    char short_escape = json_short_escape(character);
    if (short_escape) {
        bytes_put_u8(out, '\\');
        bytes_put_u8(out, (uint8_t)short_escape);
    } else if (json_is_plain(character)) {
        bytes_put_u8(out, (uint8_t)character);
    } else if (character > 0xFFFF) {
        json_put_unit(out, 0xD800 + ((character - 0x10000) >> 10));
        json_put_unit(out, 0xDC00 + ((character - 0x10000) & 0x3FF));
    } else {
        json_put_unit(out, character);
    }
}

size_t json_string_size(const char *text, size_t size)
{
    size_t total = 2;
    uint32_t character;
    for (size_t at = 0; at < size;)
        if (!text_next(text, size, &at, &character) || character == 0 ||
            !size_add(&total, json_character_size(character)))
            return 0;
    return total;
}

void json_put_string(bytes *out, const char *text, size_t size)
{
    uint32_t character;
    bytes_put_u8(out, '"');
    for (size_t at = 0; at < size;) {
        if (!text_next(text, size, &at, &character) || character == 0) {
            out->failed = true;
            return;
        }
        json_put_character(out, character);
    }
    bytes_put_u8(out, '"');
}
