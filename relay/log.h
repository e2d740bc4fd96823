/* The relay's log: one line an event of interest on stderr, `level ts event key=value…` or one JSON object a line. */
#ifndef POSTBUS_RELAY_LOG_H
#define POSTBUS_RELAY_LOG_H

#include <stdbool.h>

typedef enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR } log_level;

/* Process-wide, set once at start. */
void log_setup(log_level least, bool json);

/* The lines of this thread begin with database=NAME from now on; NULL: they do not. The name is borrowed. */
void log_database(const char *name);

/* event: a short stable name such as "leader.elected". Then pairs of a key and a printf format with its arguments, written as one
 * format string: log_event(LOG_LEVEL_INFO, "topic.missing", "topic=%s retry_ms=%d", topic, ms). Values with spaces, quotes, '=' or
 * control characters are quoted and escaped; in JSON each pair becomes a member (all strings). Keep payloads and passwords out. */
void log_event(log_level level, const char *event, const char *pairs, ...)
    __attribute__((format(printf, 3, 4)));

#endif
