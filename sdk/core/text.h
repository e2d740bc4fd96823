/* Text in UTF-8: checked, never repaired. */
#ifndef POSTBUS_CORE_TEXT_H
#define POSTBUS_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at *at of size bytes, moves *at behind it, and returns true; false, with *at at the
 * first byte of the offender, where the bytes are no UTF-8 (overlong forms, surrogates and what is above
 * U+10FFFF are none). */
bool text_next(const char *text, size_t size, size_t *at, uint32_t *out_character);

/* SIZE_MAX where all of it is UTF-8, else the offset of the first byte that is not. */
size_t text_find_fault(const char *text, size_t size);

bool text_is_ascii(const char *text, size_t size);

/* Removes from the end of a cut-off UTF-8 text the character of which only a part is left. */
void text_trim_cut(char *text);

/* A text that may hold anything, made fit for a message: at most 40 bytes of it, others than printable ASCII
 * as \xNN. */
typedef struct text_shown {
    char text[40 * 4 + 4];
} text_shown;
text_shown text_show(const char *text, size_t size);

#endif
