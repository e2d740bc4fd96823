/* Reads JSON again that jansson refuses for its size alone; must never take what is no JSON. */
#include "lenient.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)
#define ESCAPE_SIZE 6 /* \uXXXX */

/* What is read, and what it becomes. */
typedef struct rewriting {
    const char *at, *end;
    char *to;
} rewriting;

static void take(rewriting *w, size_t n)
{
    memcpy(w->to, w->at, n);
    w->to += n;
    w->at += n;
}

/* Whether an escape at this place is of a surrogate between the two, whose third digit is given as "89ab" or "cdef". */
static bool is_surrogate(const char *at, const char *end, const char *third)
{
    return end - at >= ESCAPE_SIZE && at[0] == '\\' && at[1] == 'u' && (at[2] == 'd' || at[2] == 'D') &&
           strchr(third, tolower((unsigned char)at[3])) && at[3] && isxdigit((unsigned char)at[4]) &&
           isxdigit((unsigned char)at[5]);
}

static void take_escape(rewriting *w)
{
    bool high = is_surrogate(w->at, w->end, "89ab"), low = is_surrogate(w->at, w->end, "cdef");
    if (high && is_surrogate(w->at + ESCAPE_SIZE, w->end, "cdef"))
        take(w, 2 * (size_t)ESCAPE_SIZE);
    else if (high || low) {
        memcpy(w->to, "\\ufffd", ESCAPE_SIZE);
        w->to += ESCAPE_SIZE;
        w->at += ESCAPE_SIZE;
    } else
        take(w, w->end - w->at > 1 ? 2 : 1);
}

static void take_string(rewriting *w)
{
    take(w, 1);
    while (w->at < w->end && *w->at != '"')
        if (*w->at == '\\')
            take_escape(w);
        else
            take(w, 1);
    if (w->at < w->end)
        take(w, 1);
}

/* jansson says whether it is a number, and too large. */
static bool is_beyond(const char *text, size_t size)
{
    json_error_t why;
    json_t *number = json_loadb(text, size, FLAGS, &why);
    json_decref(number);
    return !number && json_error_code(&why) == json_error_numeric_overflow;
}

/* A name has to be a string: what stands before a colon stays what it is, which is refused. */
static bool is_name(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at < end && *at == ':';
}

static const char *after_digits(const char *at, const char *end)
{
    while (at < end && isdigit((unsigned char)*at))
        at++;
    return at;
}

/* Behind what can be a number: of an overflow jansson tells before it has looked at what follows. */
static const char *after_number(const char *at, const char *end)
{
    at = after_digits(at + (*at == '-'), end);
    if (at < end && *at == '.' && after_digits(at + 1, end) > at + 1)
        at = after_digits(at + 1, end);
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *digits = at + 1;
        digits += digits < end && (*digits == '+' || *digits == '-');
        if (after_digits(digits, end) > digits)
            at = after_digits(digits, end);
    }
    return at;
}

static void take_number(rewriting *w)
{
    const char *end = after_number(w->at, w->end);
    bool quoted = is_beyond(w->at, (size_t)(end - w->at)) && !is_name(end, w->end);
    if (quoted)
        *w->to++ = '"';
    take(w, (size_t)(end - w->at));
    if (quoted)
        *w->to++ = '"';
}

static json_t *rewritten(const char *text, size_t size, bool *no_memory)
{
    json_error_t why;
    /* Two quotes at most for each number, of which one that is too large has more than two digits. */
    char *room = size < SIZE_MAX / 2 ? malloc(2 * size + 1) : NULL;
    *no_memory = !room;
    if (!room)
        return NULL;
    rewriting w = {.at = text, .end = text + size, .to = room};
    while (w.at < w.end)
        if (*w.at == '"')
            take_string(&w);
        else if (*w.at == '-' || isdigit((unsigned char)*w.at))
            take_number(&w);
        else
            take(&w, 1);
    json_t *value = json_loadb(room, (size_t)(w.to - room), FLAGS, &why);
    *no_memory = !value && json_error_code(&why) == json_error_out_of_memory;
    free(room);
    return value;
}

json_t *lenient_load(const char *text, size_t size, bool *no_memory)
{
    json_error_t why;
    json_t *value = json_loadb(text, size, FLAGS, &why);
    *no_memory = !value && json_error_code(&why) == json_error_out_of_memory;
    return value || *no_memory ? value : rewritten(text, size, no_memory);
}
