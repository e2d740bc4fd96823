/* Turns UUIDs into text and back; must never make one up. */
#include <postbus/uuid.h>

#include <string.h>

#include "failure.h"
#include "text.h"

static bool uuid_hyphen_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

void pbus_uuid_format(const pbus_uuid *uuid, char *out_text)
{
    static const char digit[] = "0123456789abcdef";
    size_t byte = 0;
    for (size_t i = 0; i < PBUS_UUID_TEXT_SIZE - 1;) {
        if (uuid_hyphen_at(i)) {
            out_text[i++] = '-';
            continue;
        }
        out_text[i++] = digit[uuid->bytes[byte] >> 4];
        out_text[i++] = digit[uuid->bytes[byte++] & 15];
    }
    out_text[PBUS_UUID_TEXT_SIZE - 1] = '\0';
}

static int uuid_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool uuid_read(const char *text, pbus_uuid *uuid)
{
    size_t byte = 0;
    for (size_t i = 0; i < PBUS_UUID_TEXT_SIZE - 1;) {
        if (uuid_hyphen_at(i)) {
            if (text[i++] != '-')
                return false;
            continue;
        }
        int high = uuid_digit(text[i]);
        int low = high < 0 ? -1 : uuid_digit(text[i + 1]);
        if (low < 0)
            return false;
        uuid->bytes[byte++] = (unsigned char)(high << 4 | low);
        i += 2;
    }
    return text[PBUS_UUID_TEXT_SIZE - 1] == '\0';
}

pbus_status pbus_uuid_parse(const char *text, pbus_uuid *out_uuid, pbus_error *err)
{
    pbus_uuid uuid;
    if (!text || !out_uuid)
        return failure(err, PBUS_ERROR_ARGUMENT, "pbus_uuid_parse: %s is NULL", text ? "out_uuid" : "text");
    if (!uuid_read(text, &uuid))
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "\"%s\" is no UUID; it should look like 0190f3e4-7c1a-4def-8000-00000000002a",
                       text_show(text, strlen(text)).text);
    *out_uuid = uuid;
    return PBUS_OK;
}
