/* Quantiles by sorting: a few hundred thousand values at most. */
#include "quantile.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double at_ms(const int64_t *values_ns, size_t n, double share)
{
    size_t index = (size_t)(share * (double)n);
    return (double)values_ns[index < n ? index : n - 1] / 1e6;
}

json_t *quantiles_of(int64_t *values_ns, size_t n)
{
    if (n == 0)
        return json_null();
    qsort(values_ns, n, sizeof *values_ns, compare);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)values_ns[i];
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "p50_ms", at_ms(values_ns, n, 0.5), "p90_ms",
                     at_ms(values_ns, n, 0.9), "p99_ms", at_ms(values_ns, n, 0.99), "p999_ms",
                     at_ms(values_ns, n, 0.999), "max_ms", at_ms(values_ns, n, 1), "mean_ms",
                     sum / (double)n / 1e6);
}
