/* Which events a subscription wants. */
#ifndef POSTBUS_WORKER_FILTER_H
#define POSTBUS_WORKER_FILTER_H

#include <postbus/worker.h>

typedef struct filter filter;

typedef enum filter_match {
    FILTER_NO,
    FILTER_YES,
    FILTER_OPEN,       /* of filter_ask_beside: all else holds, and a field of the value is asked for */
    FILTER_UNREADABLE, /* a field of the value is asked for that is no JSON */
    FILTER_NO_MEMORY,
} filter_match;

/* Conditions as pbus_subscription has them; NULL: every event. A bad one: PBUS_ERROR_ARGUMENT, and nothing in *out. */
PBUS_MUST_USE pbus_status filter_new(const pbus_condition *conditions, size_t n, filter **out,
                                     pbus_error *err);
void filter_free(filter *f);

/* Looks at key, type and headers. */
filter_match filter_ask_beside(const filter *f, const pbus_delivery *event);
/* Looks at the fields of the value: of value_json, where there is one. */
filter_match filter_ask_value(const filter *f, const pbus_delivery *event);
/* Both. */
filter_match filter_ask(const filter *f, const pbus_delivery *event);

/* "equals" and so on; NULL for a number that is none. */
const char *filter_test_name(pbus_test test);

#endif
