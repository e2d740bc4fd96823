/* Writes real numbers; must never write one that reads back as another. */
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The locale's decimal point, of however many bytes, as a point. */
static size_t number_point(char *text)
{
    size_t to = 0;
    for (size_t from = 0; text[from];) {
        size_t run = strcspn(text + from, "0123456789eE+-");
        if (run > 0) {
            text[to++] = '.';
            from += run;
        } else {
            text[to++] = text[from++];
        }
    }
    text[to] = '\0';
    return to;
}

size_t number_put(char out[NUMBER_TEXT_BYTES], double value, bool single)
{
    if (fabs(value) < 1e15 && value == (double)(long long)value && !(value == 0 && signbit(value)))
        return (size_t)snprintf(out, NUMBER_TEXT_BYTES, "%lld.0", (long long)value);
    for (int digits = single ? 6 : 15; digits <= (single ? 9 : 17); digits++) {
        snprintf(out, NUMBER_TEXT_BYTES, "%.*g", digits, value);
        double back = strtod(out, NULL);
        /* Of the shortest text of a float the nearest double can be halfway to the next one, as of 7.038531e-26. */
        if (single ? strtof(out, NULL) == (float)value && (float)back == (float)value : back == value)
            break;
    }
    size_t size = number_point(out);
    if (!strpbrk(out, ".e")) {
        memcpy(out + size, ".0", 3);
        size += 2;
    }
    return size;
}

const char *number_word(double value)
{
    if (isnan(value))
        return "NaN";
    return isinf(value) ? (value > 0 ? "Infinity" : "-Infinity") : NULL;
}

bool number_of_word(const char *word, size_t size, double *out)
{
    const double numbers[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strlen(word) == size && strcmp(word, number_word(numbers[i])) == 0) {
            *out = numbers[i];
            return true;
        }
    return false;
}
