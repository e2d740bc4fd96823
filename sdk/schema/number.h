/* Real numbers as text: the shortest that reads back the same, whatever the locale. */
#ifndef POSTBUS_SCHEMA_NUMBER_H
#define POSTBUS_SCHEMA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define NUMBER_TEXT_BYTES 40

/* A finite number as JSON has it, with a point or an exponent, NUL-terminated; single: one that is a float, which reads back the same
 * also through a double. Returns its size. */
size_t number_put(char out[NUMBER_TEXT_BYTES], double value, bool single);

/* "NaN", "Infinity", "-Infinity"; NULL for a finite one. */
const char *number_word(double value);
/* Whether it is one of these words; *out is then its number. */
bool number_of_word(const char *word, size_t size, double *out);

#endif
