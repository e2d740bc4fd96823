/* The names of the statuses; must never give one that the header does not have. */
#include <postbus/error.h>

const char *pbus_status_name(pbus_status status)
{
    switch (status) {
#define NAME(s)                                                                                              \
    case s:                                                                                                  \
        return #s
        NAME(PBUS_OK);
        NAME(PBUS_ERROR_ARGUMENT);
        NAME(PBUS_ERROR_MEMORY);
        NAME(PBUS_ERROR_TOO_LARGE);
        NAME(PBUS_ERROR_NO_TRANSACTION);
        NAME(PBUS_ERROR_FAILED_TRANSACTION);
        NAME(PBUS_ERROR_BUSY);
        NAME(PBUS_ERROR_PIPELINE);
        NAME(PBUS_ERROR_TOPIC);
        NAME(PBUS_ERROR_VALUE);
        NAME(PBUS_ERROR_HEADERS);
        NAME(PBUS_ERROR_KEY);
        NAME(PBUS_ERROR_TYPE);
        NAME(PBUS_ERROR_CONNECTION);
        NAME(PBUS_ERROR_READ_ONLY);
        NAME(PBUS_ERROR_PERMISSION);
        NAME(PBUS_ERROR_SCHEMA);
        NAME(PBUS_ERROR_SKIPPED);
        NAME(PBUS_ERROR_DATABASE);
        NAME(PBUS_ERROR_AVRO_SCHEMA);
        NAME(PBUS_ERROR_INCOMPATIBLE);
        NAME(PBUS_ERROR_MISFIT);
        NAME(PBUS_ERROR_CORRUPT);
        NAME(PBUS_ERROR_LIMIT);
        NAME(PBUS_ERROR_FRAMING);
        NAME(PBUS_ERROR_REGISTRY);
        NAME(PBUS_ERROR_UNKNOWN_SCHEMA);
#undef NAME
    }
    return "PBUS_ERROR_UNKNOWN";
}
