/* Decodes and checks UTF-8; must never change or guess at what it is given. */
#include "text.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the character that starts with this byte; 0 where none starts so. */
static size_t text_length_by_first(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first < 0xE0)
        return 2;
    if (first >= 0xE0 && first < 0xF0)
        return 3;
    if (first >= 0xF0 && first < 0xF5)
        return 4;
    return 0;
}

bool text_next(const char *text, size_t size, size_t *at, uint32_t *out_character)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text + *at;
    size_t length = *at < size ? text_length_by_first(bytes[0]) : 0;
    if (length == 0 || length > size - *at)
        return false;
    uint32_t character = length == 1 ? bytes[0] : bytes[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return false;
        character = character << 6 | (bytes[i] & 0x3Fu);
    }
    if (character < lowest[length] || character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF))
        return false;
    *at += length;
    *out_character = character;
    return true;
}

size_t text_find_fault(const char *text, size_t size)
{
    uint32_t character;
    size_t at = 0;
    while (at < size)
        if (!text_next(text, size, &at, &character))
            return at;
    return SIZE_MAX;
}

bool text_is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

void text_trim_cut(char *text)
{
    size_t size = strlen(text);
    size_t start = size;
    while (start > 0 && size - start < 4) {
        start--;
        unsigned char byte = (unsigned char)text[start];
        if ((byte & 0xC0) == 0x80)
            continue;
        if (text_length_by_first(byte) > size - start)
            text[start] = '\0';
        return;
    }
}

text_shown text_show(const char *text, size_t size)
{
    text_shown shown;
    size_t written = 0;
    size_t n = size < 40 ? size : 40;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x20 && byte < 0x7F)
            shown.text[written++] = (char)byte;
        else
            written += (size_t)snprintf(shown.text + written, sizeof shown.text - written, "\\x%02X",
                                        (unsigned)byte);
    }
    memcpy(shown.text + written, n < size ? "..." : "", n < size ? 4 : 1);
    return shown;
}
