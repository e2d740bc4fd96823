/* Counts values by size; must never allocate or ask for the time. */
#include "histogram.h"

enum { US_PER_BOUND = 1000 };

const int64_t histogram_bounds[HISTOGRAM_N_BOUNDS] = {1,   2,    5,    10,   20,    50,    100,   200,
                                                      500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

static size_t place(int64_t value, int64_t per_bound)
{
    size_t i = 0;
    while (i < HISTOGRAM_N_BOUNDS && value > histogram_bounds[i] * per_bound)
        i++;
    return i;
}

size_t histogram_place_us(int64_t us)
{
    return place(us, US_PER_BOUND);
}

static void note(histogram *h, int64_t value, int64_t per_bound)
{
    if (value < 0)
        value = 0;
    h->counts[place(value, per_bound)]++;
    h->sum += (uint64_t)value;
}

void histogram_note(histogram *h, int64_t n)
{
    note(h, n, 1);
}

void histogram_note_us(histogram *h, int64_t us)
{
    note(h, us, US_PER_BOUND);
}
