/* A histogram with fixed bounds: what it costs to note a value is one short search, so it may be done for each page, not for each event. */
#ifndef POSTBUS_RELAY_HISTOGRAM_H
#define POSTBUS_RELAY_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_N_BOUNDS 16

/* 1, 2, 5, 10 … 100000: events, or milliseconds. */
extern const int64_t histogram_bounds[HISTOGRAM_N_BOUNDS];

typedef struct histogram {
    uint64_t counts[HISTOGRAM_N_BOUNDS +
                    1]; /* of values up to each bound and above the one before; the last: above all */
    uint64_t sum;       /* events, or microseconds */
} histogram;

void histogram_note(histogram *h, int64_t n);
/* A time in microseconds; one before zero (two clocks that differ) counts as zero. */
void histogram_note_us(histogram *h, int64_t us);

#endif
