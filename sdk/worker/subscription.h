/* A subscription as the worker keeps it: checked, and copied. */
#ifndef POSTBUS_WORKER_SUBSCRIPTION_H
#define POSTBUS_WORKER_SUBSCRIPTION_H

#include "filter.h"
#include "value.h"

typedef struct subscription {
    char *key, *dead_letter_topic; /* the latter may be NULL */
    char **topics;
    size_t n_topics;
    filter *filter;
    char *filter_json;     /* NULL: every event */
    value_reader *values;  /* NULL: they are not Avro */
    const char *schemas;   /* where theirs are, for those who look at the list */
    pbus_handler *handler; /* NULL: it has the next one */
    pbus_batch_handler *batch_handler;
    void *arg;
    pbus_retry_policy retry;
    bool unordered;
    pbus_begin begin;
    int n_threads, batch_size, queue_events;
    int64_t queue_bytes, time_limit_ms;
    pbus_at_dead at_dead;
} subscription;

/* i: which of the list it is, for messages. A failure leaves nothing to release. */
PBUS_MUST_USE pbus_status subscription_init(subscription *s, const pbus_subscription *given, size_t i,
                                            pbus_error *err);
void subscription_done(subscription *s);

/* Whether it can be worked where positions are kept there. */
PBUS_MUST_USE pbus_status subscription_check_positions(const subscription *s, pbus_positions positions,
                                                       pbus_error *err);

/* The name as the subscription has it, which lives as long; NULL: it has no such topic. */
const char *subscription_topic(const subscription *s, const char *topic);

/* Whether an event is wanted, as far as that can be told without waiting. FILTER_OPEN: all else holds, and the value's schema has to be asked for first. */
filter_match subscription_wants(const subscription *s, struct event *e);
/* Reads the value, and finishes what was left open. FILTER_OPEN: not now, and err says why. What is unreadable is marked so. */
filter_match subscription_wants_at_last(const subscription *s, struct event *e, pbus_error *err);

/* The whole list as JSON, for postbus_inbox.subscribe; the caller frees it. NULL: no memory. */
char *subscription_list_json(const subscription *list, size_t n);

/* a-z A-Z 0-9 . _ -, 1 to 100 of them: fit for the name of a consumer group. */
bool subscription_is_name(const char *text);

#endif
