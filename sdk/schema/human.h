/* Logical types as people write them. */
#ifndef POSTBUS_SCHEMA_HUMAN_H
#define POSTBUS_SCHEMA_HUMAN_H

#include <postbus/schema.h>

#define HUMAN_TEXT_BYTES 48
#define HUMAN_DURATION_BYTES 12

/* Whether an int or long of this logical type has a human form. */
static inline bool human_is_time(pbus_logical logical)
{
    return logical >= PBUS_LOGICAL_DATE && logical <= PBUS_LOGICAL_LOCAL_TIMESTAMP_MICROS;
}
/* Its name in schemas; only of these types. */
const char *human_name(pbus_logical logical);
/* How its text looks, for messages. */
const char *human_sample(pbus_logical logical);

/* Dates and times as the number beneath; false where the text is none, or would have to be rounded. */
bool human_read_time(pbus_logical logical, const char *text, size_t size, int64_t *out);
/* Returns the text's size; 0 where it has none: outside the years 1 to 9999, or the hours of a day. */
size_t human_put_time(pbus_logical logical, int64_t value, char out[HUMAN_TEXT_BYTES]);

bool human_read_uuid(const char *text, size_t size, unsigned char out[16]);
size_t human_put_uuid(const unsigned char bytes[16], char out[HUMAN_TEXT_BYTES]);

/* Three numbers of 32 bits, the low byte first: months, days, milliseconds. */
bool human_read_duration(const char *text, size_t size, unsigned char out[HUMAN_DURATION_BYTES]);
size_t human_put_duration(const unsigned char bytes[HUMAN_DURATION_BYTES], char out[HUMAN_TEXT_BYTES]);

#endif
