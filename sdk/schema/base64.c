/* Writes and reads base64; must never take two texts for the same bytes. */
#include "base64.h"

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(bytes *out, const unsigned char *data, size_t size)
{
    for (; size > 0; data += 3) {
        size_t n = size < 3 ? size : 3;
        unsigned group =
            (unsigned)data[0] << 16 | (n > 1 ? (unsigned)data[1] << 8 : 0) | (n > 2 ? data[2] : 0);
        const char four[4] = {base64_letters[group >> 18], base64_letters[group >> 12 & 63],
                              n > 1 ? base64_letters[group >> 6 & 63] : '=',
                              n > 2 ? base64_letters[group & 63] : '='};
        bytes_put(out, four, sizeof four);
        size -= n;
    }
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_read(bytes *out, const char *text, size_t size)
{
    if (size % 4)
        return false;
    for (; size > 0; text += 4, size -= 4) {
        int pad = size == 4 ? (text[3] == '=') + (text[3] == '=' && text[2] == '=') : 0;
        unsigned group = 0;
        for (int i = 0; i < 4; i++) {
            int value = i >= 4 - pad ? 0 : base64_value(text[i]);
            if (value < 0)
                return false;
            group = group << 6 | (unsigned)value;
        }
        const unsigned char three[3] = {(unsigned char)(group >> 16), (unsigned char)(group >> 8),
                                        (unsigned char)group};
        /* Bits that stand for nothing are 0. */
        for (int i = 3 - pad; i < 3; i++)
            if (three[i])
                return false;
        bytes_put(out, three, 3 - (size_t)pad);
    }
    return true;
}
