/* What one thread has counted: written by that thread alone, without a lock, and read by whoever asks. */
#ifndef POSTBUS_WORKER_TALLY_H
#define POSTBUS_WORKER_TALLY_H

#include <stdatomic.h>

#include "event.h"
#include "subscriber_metrics.h"

typedef struct tally_times {
    atomic_uint_least64_t counts[HISTOGRAM_N_BOUNDS + 1], sum_us;
} tally_times;

typedef struct tally {
    atomic_uint_least64_t n_attempts;
    tally_times stages[SUBSCRIBER_N_STAGES];
} tally;

/* The handler was called for so many events, and took so long. */
void tally_note_attempt(tally *t, size_t n_events, int64_t took_us);

/* Both clocks, so that many events of one commit ask for the time once. */
typedef struct tally_moment {
    int64_t us;      /* by feed_now_us */
    int64_t wall_ms; /* since 1970 */
} tally_moment;

tally_moment tally_now(void);

/* The effects of an event were committed at that moment. One that had waited is not noted: its way was another. */
void tally_note_handled(tally *t, const event *e, tally_moment at);

/* Adds what was counted so far. */
void tally_add_to(const tally *t, uint64_t *n_attempts, histogram *stages);

#endif
