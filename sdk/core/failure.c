/* Fills the caller's pbus_error; must never print, log or remember anything. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static void failure_fill(pbus_error *err, pbus_status status, const char *sqlstate, bool retriable,
                         const char *format, va_list args)
{
    memset(err, 0, sizeof *err);
    err->status = status;
    err->retriable = retriable;
    if (sqlstate)
        snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
    int length = vsnprintf(err->message, sizeof err->message, format, args);
    if (length >= (int)sizeof err->message)
        text_trim_cut(err->message);
}

pbus_status failure(pbus_error *err, pbus_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        failure_fill(err, status, NULL, false, format, args);
        va_end(args);
    }
    return status;
}

pbus_status failure_sql(pbus_error *err, pbus_status status, const char *sqlstate, bool retriable,
                        const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        failure_fill(err, status, sqlstate, retriable, format, args);
        va_end(args);
    }
    return status;
}
