/* Filling the caller's pbus_error. */
#ifndef POSTBUS_CORE_FAILURE_H
#define POSTBUS_CORE_FAILURE_H

#include <postbus/error.h>

/* Fills err, where it is not NULL, and returns status, so that a function can `return failure(…)`. */
PBUS_MUST_USE pbus_status failure(pbus_error *err, pbus_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what PostgreSQL reported; sqlstate may be NULL or "". */
PBUS_MUST_USE pbus_status failure_sql(pbus_error *err, pbus_status status, const char *sqlstate,
                                      bool retriable, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
