/* The version of libpostbus: of these headers (macros) and of the library that the program runs with
 * (functions). */
#ifndef POSTBUS_VERSION_H
#define POSTBUS_VERSION_H

#include <postbus/export.h>

#define PBUS_VERSION_MAJOR 0
#define PBUS_VERSION_MINOR 1
#define PBUS_VERSION_PATCH 0
/* One number to compare with: 0.1.0 is 100, 1.2.3 is 10203. */
#define PBUS_VERSION_NUMBER (PBUS_VERSION_MAJOR * 10000 + PBUS_VERSION_MINOR * 100 + PBUS_VERSION_PATCH)
#define PBUS_VERSION_TEXT "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the running library as text, such as "0.1.0". Cannot fail.
 * Returns: a string that belongs to the library and stays valid for ever.
 * Threads: any. Blocks: never. Since: 0.1. */
PBUS_API const char *pbus_version_text(void);

/* The version of the running library as PBUS_VERSION_NUMBER writes it. Cannot fail.
 * Threads: any. Blocks: never. Since: 0.1. */
PBUS_API int pbus_version_number(void);

#ifdef __cplusplus
}
#endif

#endif
