/* Quantiles of a set of latencies. */
#ifndef POSTBUS_BENCH_QUANTILE_H
#define POSTBUS_BENCH_QUANTILE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Sorts the values; {"p50_ms": …, "p90_ms": …, "p99_ms": …, "p999_ms": …, "max_ms": …, "mean_ms": …}, the caller's. */
json_t *quantiles_of(int64_t *values_ns, size_t n);

#endif
