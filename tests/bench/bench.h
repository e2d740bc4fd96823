/* What the commands of postbus_bench are told, and the commands: each prints one JSON object. */
#ifndef POSTBUS_BENCH_BENCH_H
#define POSTBUS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct bench_call {
    const char *database, *brokers, *topic;
    const char **kafka;  /* NAME=VALUE, ends with NULL: settings of the producer on top of the relay's */
    const char **config; /* likewise, of a topic */
    int limit;           /* records to produce, 0 = all */
    double rate;         /* events a second */
    double seconds, warm_seconds;
    int threads;
    int partitions;
    int batch; /* subscribe: events in one transaction, at most; 0: one */
    const char *
        handle; /* latency: what writes a row for each event: "worker", or "plain", a consumer; NULL: nothing does */
    const char *field; /* of a filter that no event passes; consume: read only */
    int direct; /* switches: int, as popt sets them. latency: produce straight to the broker instead of publishing */
    int even;        /* latency: even arrivals instead of a Poisson process */
    int together;    /* subscribe: the events of a transaction are handled by one call */
    int count_rings; /* latency: listen, and count the notifications */
} bench_call;

/* Exit codes: 0, or 1 after a sentence on stderr. */
int bench_produce(const bench_call *c);
int bench_latency(const bench_call *c);
int bench_consume(const bench_call *c);
int bench_subscribe(const bench_call *c);
int bench_topic_create(const bench_call *c);
int bench_topic_delete(const bench_call *c);

/* Prints why on stderr; returns 1. */
int bench_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Between two looks at what threads have done. */
static inline void bench_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

#endif
