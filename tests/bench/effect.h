/* What both sides of a comparison of subscribers write for an event, and when. */
#ifndef POSTBUS_BENCH_EFFECT_H
#define POSTBUS_BENCH_EFFECT_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

#include <libpq-fe.h>

#include "bench.h"

/* One row, with the key and the value, in the transaction that is open. */
static inline bool effect_write(PGconn *tx, const void *key, size_t key_size, const void *value,
                                size_t value_size)
{
    const char *values[] = {key, value};
    const int sizes[] = {(int)key_size, (int)value_size}, binary[] = {1, 1};
    PGresult *result = PQexecParams(tx, "INSERT INTO bench.effect (key, value) VALUES ($1::bytea, $2::bytea)",
                                    2, NULL, values, sizes, binary, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

/* The time runs from the first event: what it takes to join a group, or to connect, is not compared. */
static inline void effect_begin(_Atomic int64_t *first_ns)
{
    int64_t none = 0;
    if (atomic_load_explicit(first_ns, memory_order_relaxed) == 0)
        atomic_compare_exchange_strong(first_ns, &none, bench_now_ns());
}

static inline int effect_report(int64_t n_events, int64_t first_ns)
{
    double seconds = (double)(bench_now_ns() - first_ns) / 1e9;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"events\": %lld, \"seconds\": %.4f, \"per_second\": %.1f, \"peak_kib\": %ld}\n",
           (long long)n_events, seconds, (double)n_events / seconds, used.ru_maxrss);
    return 0;
}

#endif
