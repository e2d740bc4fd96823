/* Reads JSON with integers of any size; must never change what a string holds. */
#include "json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

#define LARGE_DIGITS 19 /* 2^63 has so many: an integer of fewer fits */

static json_t *json_text_load(const void *text, size_t size, json_error_t *why)
{
    return json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, why);
}

/* Behind the string that begins at `at`, or at the end where it does not end. */
static size_t string_end(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < size ? at + 1 : size;
}

/* Whether a number of the text, which has a NUL behind it, is an integer that jansson does not take. */
static bool is_large(const char *number, size_t size)
{
    size_t n_digits = strspn(number + (*number == '-'), "0123456789");
    if (n_digits < LARGE_DIGITS || n_digits + (*number == '-') != size)
        return false;
    errno = 0;
    strtoll(number, NULL, 10);
    return errno == ERANGE;
}

/* The text, with an exponent of 0 behind each integer that does not fit 64 bits: what JSON has for a real number. */
static void put_with_reals(bytes *out, const char *text, size_t size)
{
    for (size_t from = 0, to; from < size; from = to) {
        bool number = text[from] == '-' || (text[from] >= '0' && text[from] <= '9');
        size_t run = number ? strspn(text + from, "+-.0123456789eE") : 1;
        to = text[from] == '"' ? string_end(text, size, from) : from + run;
        bytes_put(out, text + from, to - from);
        if (number && is_large(text + from, run))
            bytes_put(out, "e0", 2);
    }
}

json_t *json_text_read(const char *text, size_t size, json_error_t *why)
{
    json_t *value = json_text_load(text, size, why);
    if (value || json_error_code(why) != json_error_numeric_overflow)
        return value;
    bytes copy = {0}, reals = {0};
    bytes_put(&copy, text, size);
    bytes_put_u8(&copy, 0);
    if (!copy.failed)
        put_with_reals(&reals, (const char *)copy.data, size);
    /* Without memory the first error stands. */
    if (!copy.failed && !reals.failed)
        value = json_text_load(reals.data, reals.size, why);
    bytes_done(&copy);
    bytes_done(&reals);
    return value;
}
