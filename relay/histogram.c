/* Counts values by size; must never allocate or ask for the time. */
#include "histogram.h"

const int64_t histogram_bounds[HISTOGRAM_N_BOUNDS] = {1,   2,    5,    10,   20,    50,    100,   200,
                                                      500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

static void note(histogram *h, int64_t value, int64_t per_bound)
{
    int i = 0;
    if (value < 0)
        value = 0;
    while (i < HISTOGRAM_N_BOUNDS && value > histogram_bounds[i] * per_bound)
        i++;
    h->counts[i]++;
    h->sum += (uint64_t)value;
}

void histogram_note(histogram *h, int64_t n)
{
    note(h, n, 1);
}

void histogram_note_us(histogram *h, int64_t us)
{
    note(h, us, 1000);
}
