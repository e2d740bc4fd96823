/* Event ids: 16 bytes, and the text that subscribers see in the header `id`. */
#ifndef POSTBUS_UUID_H
#define POSTBUS_UUID_H

#include <postbus/error.h>
#include <postbus/export.h>

typedef struct pbus_uuid {
    unsigned char bytes[16]; /* in the order of the text */
} pbus_uuid;

/* Bytes of a UUID's text with its NUL. */
#define PBUS_UUID_TEXT_SIZE 37

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a UUID as text, "0190f3e4-7c1a-8def-8000-00000000002a", in lower case as PostgreSQL does. Cannot
 * fail.
 *   uuid      read only; not NULL
 *   out_text  caller's, PBUS_UUID_TEXT_SIZE bytes; not NULL; NUL-terminated after the call
 * Threads: any. Blocks: never. Since: 0.1. */
PBUS_API void pbus_uuid_format(const pbus_uuid *uuid, char *out_text);

/* Reads a UUID from its text of 36 characters, upper or lower case, hyphens where the standard puts them.
 * Takes no braces, no missing hyphens and nothing after it. A failure leaves out_uuid untouched.
 *   text      NUL-terminated; NULL is refused
 *   out_uuid  caller's; not NULL
 *   err       may be NULL
 * Returns: PBUS_OK; PBUS_ERROR_ARGUMENT where the text is no UUID or an argument is NULL.
 * Threads: any. Blocks: never. Since: 0.1. */
PBUS_API PBUS_MUST_USE pbus_status pbus_uuid_parse(const char *text, pbus_uuid *out_uuid, pbus_error *err);

#ifdef __cplusplus
}
#endif

#endif
