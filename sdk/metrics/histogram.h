/* A histogram with fixed bounds: what it costs to note a value is one short search, and no memory is allocated. */
#ifndef POSTBUS_METRICS_HISTOGRAM_H
#define POSTBUS_METRICS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_N_BOUNDS 16

/* 1, 2, 5, 10 … 100000: events, or milliseconds. */
extern const int64_t histogram_bounds[HISTOGRAM_N_BOUNDS];

typedef struct histogram {
    uint64_t counts[HISTOGRAM_N_BOUNDS +
                    1]; /* of values up to each bound and above the one before; the last: above all */
    uint64_t sum;       /* events, or microseconds */
} histogram;

/* Which of counts a time in microseconds belongs to. */
size_t histogram_place_us(int64_t us);

void histogram_note(histogram *h, int64_t n);
/* A time in microseconds; one before zero (two clocks that differ) counts as zero. */
void histogram_note_us(histogram *h, int64_t us);

#endif
