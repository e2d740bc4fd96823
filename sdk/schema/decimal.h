/* Decimal numbers of any size between text and two's complement, exactly. */
#ifndef POSTBUS_SCHEMA_DECIMAL_H
#define POSTBUS_SCHEMA_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_MAX_PRECISION 1000 /* digits; arithmetic on them takes the square of their number */
#define DECIMAL_MAX_BYTES 417      /* of so many and a sign */
#define DECIMAL_TEXT_BYTES 1008

typedef enum decimal_fault {
    DECIMAL_FITS,
    DECIMAL_NO_NUMBER,
    DECIMAL_TOO_FINE, /* digits behind the scale that are not 0 */
    DECIMAL_TOO_LARGE /* more digits than the precision */
} decimal_fault;

/* Reads "-12.34" or "1.2e3" as a big-endian number of the fewest bytes, times ten to the scale. A text of more than 1005 characters, or with an
 * exponent above 2000, is none. */
decimal_fault decimal_from_text(const char *text, size_t size, int precision, int scale,
                                unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size);

/* The same of a number as JSON has it, however long it is. */
decimal_fault decimal_from_number(const char *text, size_t size, int precision, int scale,
                                  unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size);
/* Whether it is an integer of 64 bits, in whichever way it is written. */
bool decimal_number_to_integer(const char *text, size_t size, int64_t *out);

/* Writes the number with its scale, NUL-terminated; 0 where it has more digits than the precision. */
size_t decimal_to_text(const unsigned char *data, size_t size, int precision, int scale,
                       char out[DECIMAL_TEXT_BYTES]);

#endif
