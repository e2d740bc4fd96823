/* JSON whose numbers and escapes are beyond what jansson holds: a field that nobody asks for makes no value unreadable. */
#ifndef POSTBUS_WORKER_LENIENT_H
#define POSTBUS_WORKER_LENIENT_H

#include <jansson.h>
#include <stdbool.h>

/* As json_loadb does with any value and with NULs, but for two things. A number that no 64-bit integer or double holds is the string of its
 * text; half of a surrogate pair is U+FFFD. NULL: it is no JSON, or there is no memory, as *no_memory says. */
json_t *lenient_load(const char *text, size_t size, bool *no_memory);

#endif
