/* Decimal numbers of any size between text and two's complement, exactly. */
#ifndef POSTBUS_SCHEMA_DECIMAL_H
#define POSTBUS_SCHEMA_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

#define DECIMAL_MAX_BYTES 417 /* of 1000 digits and a sign */
#define DECIMAL_TEXT_BYTES 1008

typedef enum decimal_fault {
    DECIMAL_FITS,
    DECIMAL_NO_NUMBER,
    DECIMAL_TOO_FINE, /* digits behind the scale that are not 0 */
    DECIMAL_TOO_LARGE /* more digits than the precision */
} decimal_fault;

/* Reads "-12.34" or "1.2e3" as a big-endian number of the fewest bytes, times ten to the scale. */
decimal_fault decimal_from_text(const char *text, size_t size, int precision, int scale,
                                unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size);

/* Writes the number with its scale, NUL-terminated; 0 where it has more digits than the precision. */
size_t decimal_to_text(const unsigned char *data, size_t size, int precision, int scale,
                       char out[DECIMAL_TEXT_BYTES]);

#endif
