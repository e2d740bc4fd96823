/* What the relay tells of itself. One table has each metric's name, type, unit and promise; the text of /metrics and the reference page
 * come out of it. */
#ifndef POSTBUS_RELAY_METRICS_H
#define POSTBUS_RELAY_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "backlog.h"
#include "histogram.h"

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

typedef enum metric_kind {
    METRIC_COUNTER,   /* uint64_t */
    METRIC_GAUGE,     /* double; NAN: not known now, and then left out */
    METRIC_EVENTS,    /* histogram of numbers of events */
    METRIC_TIMES,     /* histogram of times */
    METRIC_SECONDS,   /* a counter of seconds: double */
    METRIC_BY_PARKED, /* const backlog_numbers *: a gauge by topic and reason; NULL: not known now */
    METRIC_BUILD,     /* versions as labels */
} metric_kind;

typedef struct metric {
    const char *name; /* of the family: a counter's sample has _total behind it */
    metric_kind kind;
    const char *unit; /* the end of the name, or NULL */
    size_t offset;    /* in metrics */
    const char *help; /* what it promises */
    bool of_process;  /* of all databases together: it never has the label `database` */
} metric;

/* What a scrape shows of one database. */
typedef struct metrics {
    const char *database; /* the name of its section; NULL: there are none, and no label */
    double leader, ready, refused, epoch, stalled_s, brokers_up;
    uint64_t n_elections, n_sessions_lost;
    double backlog_events, backlog_oldest_age_s, backlog_known_age_s;
    const backlog_numbers *parked;
    double leaves, outbox_bytes, receipts_bytes, refused_leaves;
    uint64_t n_leaves_closed, n_leaves_emptied;
    uint64_t n_published, n_possible_duplicates, n_producers_recreated, n_broker_outages;
    uint64_t n_reads, n_read_events, n_batches, n_barriers, n_settlements;
    uint64_t n_rings, n_wakes, n_arms, n_safety_polls, n_safety_finds;
    double in_flight_events, in_flight_bytes, open_batches;
    histogram page_events, settled_events;
    histogram read_times, acknowledge_times, settle_times, publish_times;
    double resident_bytes, started_at_s, cpu_s;
} metrics;

/* Ends with a row whose name is NULL. */
extern const metric metrics_table[];

/* "counter", "gauge", "histogram" or "info": the type as OpenMetrics calls it. */
const char *metric_type(const metric *row);

/* The whole text of OpenMetrics, its last line included, of n databases; what is the process's own is read from the first. */
void metrics_write(const metrics *each, size_t n, FILE *to);
/* The families of the process alone, without the last line. */
void metrics_write_process(const metrics *m, FILE *to);
/* Memory and processor time of this process, and when it began. */
void metrics_read_process(metrics *m);

#endif
