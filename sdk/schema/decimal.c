/* Converts decimal numbers; must never round one. */
#include "decimal.h"

#include <string.h>

/* A sign, "0." and 1000 digits, and some zeros more; postbus.avro_decimal() has the same limits. */
#define DECIMAL_LONGEST_TEXT 1005
#define DECIMAL_MAX_EXPONENT 2000

#define DECIMAL_ENDLESS 1000000000000000 /* an exponent of more is as good as this one */

/* A number as its digits, without zeros in front and behind. */
typedef struct digits {
    char text[DECIMAL_MAX_PRECISION];
    int n;
    bool more;      /* of them than any decimal has: text holds the first ones */
    int64_t zeros;  /* that come behind them */
    int64_t behind; /* how many of all these stand behind the point */
    bool negative;
} digits;

static void digits_add(digits *d, char digit)
{
    if (digit == '0') {
        d->zeros += d->n > 0;
        return;
    }
    d->more = d->more || d->n + d->zeros >= DECIMAL_MAX_PRECISION;
    for (; d->zeros > 0 && !d->more; d->zeros--)
        d->text[d->n++] = '0';
    if (!d->more)
        d->text[d->n++] = digit;
    d->zeros = 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The exponent, all of the rest of the text. */
static bool digits_read_exponent(digits *d, const char *text, const char *end, int64_t most)
{
    int64_t exponent = 0;
    bool negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+'))
        text++;
    if (text == end)
        return false;
    for (; text < end; text++) {
        if (!is_digit(*text))
            return false;
        if (exponent < DECIMAL_ENDLESS)
            exponent = exponent * 10 + (*text - '0');
    }
    d->behind -= negative ? -exponent : exponent;
    return exponent <= most;
}

static bool digits_read(digits *d, const char *text, size_t size, int64_t most_exponent)
{
    const char *end = text + size;
    bool any = false, point = false;
    d->negative = size > 0 && *text == '-';
    if (size > 0 && (*text == '-' || *text == '+'))
        text++;
    for (; text < end && (is_digit(*text) || (*text == '.' && !point)); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        any = true;
        d->behind += point;
        digits_add(d, *text);
    }
    if (!any || text[-1] == '.')
        return false;
    return text == end ||
           ((*text == 'e' || *text == 'E') && digits_read_exponent(d, text + 1, end, most_exponent));
}

/* Brings the point to the scale. */
static decimal_fault digits_scale(digits *d, int precision, int scale)
{
    int64_t behind = d->behind - d->zeros;
    if (d->n == 0)
        return DECIMAL_FITS;
    if (behind > scale)
        return DECIMAL_TOO_FINE;
    if (d->more || d->n + (scale - behind) > precision)
        return DECIMAL_TOO_LARGE;
    for (; behind < scale; behind++)
        d->text[d->n++] = '0';
    return DECIMAL_FITS;
}

/* The two's complement of a big-endian number, in place. */
static void negate(unsigned char *data, size_t size)
{
    unsigned carry = 1;
    for (size_t i = size; i-- > 0;) {
        carry += (unsigned char)~data[i];
        data[i] = (unsigned char)carry;
        carry >>= 8;
    }
}

static void digits_to_bytes(const digits *d, unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size)
{
    unsigned char whole[DECIMAL_MAX_BYTES] = {0};
    size_t used = 1; /* bytes at the end that may hold other than 0 */
    for (int i = 0; i < d->n; i++) {
        unsigned carry = (unsigned)(d->text[i] - '0');
        for (size_t j = DECIMAL_MAX_BYTES; j-- > DECIMAL_MAX_BYTES - used;) {
            carry += whole[j] * 10u;
            whole[j] = (unsigned char)carry;
            carry >>= 8;
        }
        if (carry) {
            used++;
            whole[DECIMAL_MAX_BYTES - used] = (unsigned char)carry;
        }
    }
    if (d->negative)
        negate(whole, sizeof whole);
    /* Bytes in front that only repeat the sign are not needed. */
    size_t from = 0;
    while (from + 1 < sizeof whole && (whole[from] == 0 || whole[from] == 0xFF) &&
           ((whole[from] ^ whole[from + 1]) & 0x80) == 0)
        from++;
    *out_size = sizeof whole - from;
    memcpy(out, whole + from, *out_size);
}

static decimal_fault decimal_read(const char *text, size_t size, int64_t most_exponent, int precision,
                                  int scale, unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size)
{
    digits d = {.n = 0};
    if (!digits_read(&d, text, size, most_exponent))
        return DECIMAL_NO_NUMBER;
    decimal_fault fault = digits_scale(&d, precision, scale);
    if (fault == DECIMAL_FITS)
        digits_to_bytes(&d, out, out_size);
    return fault;
}

decimal_fault decimal_from_text(const char *text, size_t size, int precision, int scale,
                                unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size)
{
    if (size > DECIMAL_LONGEST_TEXT)
        return DECIMAL_NO_NUMBER;
    return decimal_read(text, size, DECIMAL_MAX_EXPONENT, precision, scale, out, out_size);
}

decimal_fault decimal_from_number(const char *text, size_t size, int precision, int scale,
                                  unsigned char out[DECIMAL_MAX_BYTES], size_t *out_size)
{
    return decimal_read(text, size, INT64_MAX, precision, scale, out, out_size);
}

bool decimal_number_to_integer(const char *text, size_t size, int64_t *out)
{
    unsigned char wire[DECIMAL_MAX_BYTES];
    size_t n = 0;
    if (decimal_from_number(text, size, 19, 0, wire, &n) != DECIMAL_FITS || n > sizeof *out)
        return false;
    uint64_t value = wire[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | wire[i];
    *out = (int64_t)value;
    return true;
}

/* Divides by ten in place; returns the remainder. */
static unsigned divide(unsigned char *data, size_t size)
{
    unsigned rest = 0;
    for (size_t i = 0; i < size; i++) {
        rest = rest << 8 | data[i];
        data[i] = (unsigned char)(rest / 10);
        rest %= 10;
    }
    return rest;
}

static bool is_zero(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i])
            return false;
    return true;
}

size_t decimal_to_text(const unsigned char *data, size_t size, int precision, int scale,
                       char out[DECIMAL_TEXT_BYTES])
{
    unsigned char whole[DECIMAL_MAX_BYTES];
    char backwards[DECIMAL_TEXT_BYTES];
    int n = 0, n_digits = 0;
    size_t at = 0;
    bool negative = size > 0 && data[0] >= 0x80;
    while (size > 1 && data[0] == (negative ? 0xFF : 0) && ((data[0] ^ data[1]) & 0x80) == 0)
        data++, size--;
    if (size > sizeof whole)
        return 0;
    memcpy(whole, data, size);
    if (negative)
        negate(whole, size);
    while (n_digits <= scale || !is_zero(whole, size)) {
        if (n_digits == scale && scale > 0)
            backwards[n++] = '.';
        if (n_digits > precision)
            return 0;
        backwards[n++] = (char)('0' + divide(whole, size));
        n_digits++;
    }
    if (n_digits > precision && !(n_digits == scale + 1 && backwards[n - 1] == '0'))
        return 0;
    if (negative)
        out[at++] = '-';
    while (n > 0)
        out[at++] = backwards[--n];
    out[at] = '\0';
    return at;
}
