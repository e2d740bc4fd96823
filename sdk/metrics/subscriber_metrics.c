/* Writes what a worker tells of its subscriptions; must never write a value that is not known as if it were zero. */
#include "subscriber_metrics.h"

#include <string.h>

#include "open_metrics.h"

const char *const subscriber_outcomes[SUBSCRIBER_N_OUTCOMES] = {
    [OUTCOME_HANDLED] = "handled", [OUTCOME_UNWANTED] = "unwanted", [OUTCOME_DUPLICATE] = "duplicate",
    [OUTCOME_BEHIND] = "behind",   [OUTCOME_RETRY] = "retry",       [OUTCOME_DEAD] = "dead"};

const char *subscriber_metric_type(const subscriber_metric *row)
{
    return row->kind == SUBSCRIBER_COUNTER ? "counter"
           : row->kind == SUBSCRIBER_TIMES ? "histogram"
                                           : "gauge";
}

static double number_at(const void *of, const subscriber_metric *row)
{
    double n;
    memcpy(&n, (const char *)of + row->offset, sizeof n);
    return n;
}

static uint64_t counter_at(const subscriber_measures *m, const subscriber_metric *row, size_t i)
{
    uint64_t n;
    memcpy(&n, (const char *)m + row->offset + i * sizeof n, sizeof n);
    return n;
}

static void put_by_topic(FILE *to, const subscriber_measures *m, const subscriber_metric *row)
{
    for (size_t i = 0; i < m->n_topics; i++) {
        const open_label labels[] = {{"application", m->application},
                                     {"subscription", m->subscription},
                                     {"topic", m->topics[i].name},
                                     {NULL, NULL}};
        open_metrics_number(to, row->name, "", labels, number_at(&m->topics[i], row));
    }
}

static void put_by_outcome(FILE *to, const subscriber_measures *m, const subscriber_metric *row)
{
    for (size_t i = 0; i < SUBSCRIBER_N_OUTCOMES; i++) {
        const open_label labels[] = {{"application", m->application},
                                     {"subscription", m->subscription},
                                     {"outcome", subscriber_outcomes[i]},
                                     {NULL, NULL}};
        open_metrics_count(to, row->name, "_total", labels, counter_at(m, row, i));
    }
}

static void put_one(FILE *to, const subscriber_measures *m, const subscriber_metric *row)
{
    const open_label labels[] = {
        {"application", m->application}, {"subscription", m->subscription}, {NULL, NULL}};
    switch (row->kind) {
    case SUBSCRIBER_COUNTER:
        open_metrics_count(to, row->name, "_total", labels, counter_at(m, row, 0));
        break;
    case SUBSCRIBER_GAUGE:
        open_metrics_number(to, row->name, "", labels, number_at(m, row));
        break;
    case SUBSCRIBER_TIMES:
        open_metrics_histogram(to, row->name, labels,
                               (const histogram *)(const void *)((const char *)m + row->offset), OPEN_TIMES);
        break;
    }
}

static void put_samples(FILE *to, const subscriber_measures *m, const subscriber_metric *row)
{
    if (row->by == BY_TOPIC)
        put_by_topic(to, m, row);
    else if (row->by == BY_OUTCOME)
        put_by_outcome(to, m, row);
    else
        put_one(to, m, row);
}

void subscriber_metrics_write(const subscriber_measures *each, size_t n, FILE *to)
{
    for (const subscriber_metric *row = subscriber_metrics_table; row->name; row++) {
        open_metrics_head(to, row->name, subscriber_metric_type(row), row->unit, row->help);
        for (size_t i = 0; i < n; i++)
            put_samples(to, &each[i], row);
    }
}
