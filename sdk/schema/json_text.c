/* Reads JSON with integers of any size; must never change what a string holds. */
#include "json_text.h"

#include <string.h>

#include "bytes.h"
#include "text.h"

/* It quotes the text, which may command a terminal. Behind its NUL jansson keeps the error's code. */
static void make_harmless(char *why)
{
    text_trim_cut(why);
    for (; *why; why++)
        if ((unsigned char)*why < ' ' || *why == 0x7F)
            *why = ' ';
}

static json_t *json_text_load(const void *text, size_t size, json_error_t *why)
{
    json_t *value = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, why);
    if (!value)
        make_harmless(why->text);
    return value;
}

/* Behind the string that begins at `at`, or at the end where it does not end. */
static size_t string_end(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < size ? at + 1 : size;
}

size_t json_text_number(const char *text, size_t size, size_t *at)
{
    while (*at < size && text[*at] != '-' && (text[*at] < '0' || text[*at] > '9'))
        *at = text[*at] == '"' ? string_end(text, size, *at) : *at + 1;
    size_t end = *at;
    while (end < size && text[end] && strchr("+-.0123456789eE", text[end]))
        end++;
    return end - *at;
}

static bool is_integer(const char *number, size_t size)
{
    for (size_t i = *number == '-'; i < size; i++)
        if (number[i] < '0' || number[i] > '9')
            return false;
    return true;
}

static bool is_large(const char *number, size_t size)
{
    bool negative = *number == '-';
    const char *most = negative ? "9223372036854775808" : "9223372036854775807";
    if (!is_integer(number, size) || size - negative < strlen(most))
        return false;
    return size - negative > strlen(most) || memcmp(number + negative, most, strlen(most)) > 0;
}

bool json_text_is_real(const char *number, size_t size)
{
    return !is_integer(number, size) || is_large(number, size);
}

/* The text, with an exponent of 0 behind each integer that does not fit 64 bits: what JSON has for a real number. */
static void put_with_reals(bytes *out, const char *text, size_t size)
{
    size_t from = 0, at = 0;
    for (size_t n; (n = json_text_number(text, size, &at)) > 0; at += n, from = at) {
        bytes_put(out, text + from, at + n - from);
        if (is_large(text + at, n))
            bytes_put(out, "e0", 2);
    }
    bytes_put(out, text + from, size - from);
}

json_t *json_text_read(const char *text, size_t size, json_error_t *why)
{
    json_t *value = json_text_load(text, size, why);
    if (value || json_error_code(why) != json_error_numeric_overflow)
        return value;
    bytes reals = {0};
    put_with_reals(&reals, text, size);
    if (!reals.failed) /* without memory the first error stands */
        value = json_text_load(reals.data, reals.size, why);
    bytes_done(&reals);
    return value;
}
