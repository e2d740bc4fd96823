/* What a worker tells of its subscriptions. One table has each metric's name, type, unit and promise; the text for scrapers and the reference page
 * come out of it. */
#ifndef POSTBUS_METRICS_SUBSCRIBER_METRICS_H
#define POSTBUS_METRICS_SUBSCRIBER_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"

typedef enum subscriber_kind {
    SUBSCRIBER_COUNTER, /* uint64_t; by outcome: SUBSCRIBER_N_OUTCOMES of them */
    SUBSCRIBER_GAUGE,   /* double; NAN: not known now, and then left out */
    SUBSCRIBER_TIMES,   /* histogram of times */
} subscriber_kind;

/* What it has one sample for, besides each subscription. */
typedef enum subscriber_by { BY_SUBSCRIPTION, BY_TOPIC, BY_OUTCOME } subscriber_by;

typedef struct subscriber_metric {
    const char *name; /* of the family: a counter's sample has _total behind it */
    subscriber_kind kind;
    subscriber_by by;
    const char *unit; /* the end of the name, or NULL */
    size_t offset;    /* in subscriber_measures; by topic: in subscriber_topic */
    const char *help; /* what it promises */
} subscriber_metric;

/* What became of a record. */
typedef enum subscriber_outcome {
    OUTCOME_HANDLED,
    OUTCOME_UNWANTED,
    OUTCOME_DUPLICATE,
    OUTCOME_BEHIND,
    OUTCOME_RETRY,
    OUTCOME_DEAD,
    SUBSCRIBER_N_OUTCOMES
} subscriber_outcome;

extern const char *const subscriber_outcomes[SUBSCRIBER_N_OUTCOMES];

typedef struct subscriber_topic {
    const char *name;
    double partitions, lag_events, lag_s;
} subscriber_topic;

/* The ways of an event that was handled, and how long its handler took. */
typedef enum subscriber_stage {
    STAGE_RELAY,   /* published → relayed */
    STAGE_CONSUME, /* relayed → consumed */
    STAGE_ARRIVE,  /* published → consumed */
    STAGE_HANDLE,  /* consumed → handled */
    STAGE_WHOLE,   /* published → handled */
    STAGE_HANDLER, /* a call of the handler */
    SUBSCRIBER_N_STAGES
} subscriber_stage;

/* What a scrape shows of one subscription. */
typedef struct subscriber_measures {
    const char *application, *subscription;
    const subscriber_topic *topics;
    size_t n_topics;
    double ready, members, queued_events, queued_bytes, threads;
    double waiting_events, waiting_oldest_age_s, dead_letters, known_age_s;
    uint64_t n_read, n_attempts, n_rebalances, n_gaps;
    uint64_t outcomes[SUBSCRIBER_N_OUTCOMES];
    histogram stages[SUBSCRIBER_N_STAGES];
} subscriber_measures;

/* Ends with a row whose name is NULL. */
extern const subscriber_metric subscriber_metrics_table[];

/* "counter", "gauge" or "histogram": the type as OpenMetrics calls it. */
const char *subscriber_metric_type(const subscriber_metric *row);

/* All families of n subscriptions, without the last line of OpenMetrics. */
void subscriber_metrics_write(const subscriber_measures *each, size_t n, FILE *to);

#endif
