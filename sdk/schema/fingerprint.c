/* CRC-64-AVRO, as the specification's appendix on fingerprints defines it; must never depend on the machine's byte order. */
#include "canonical.h"

#define FINGERPRINT_EMPTY UINT64_C(0xC15D213AA4D7A795)

static uint64_t fingerprint_of_byte(unsigned byte)
{
    uint64_t value = byte;
    for (int bit = 0; bit < 8; bit++)
        value = (value >> 1) ^ (FINGERPRINT_EMPTY & -(value & 1));
    return value;
}

uint64_t fingerprint_of(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t table[256], value = FINGERPRINT_EMPTY;
    for (unsigned byte = 0; byte < 256; byte++)
        table[byte] = fingerprint_of_byte(byte);
    for (size_t i = 0; i < size; i++)
        value = (value >> 8) ^ table[(value ^ at[i]) & 0xFF];
    return value;
}
