/* Counts for one thread; must never make that thread wait for who reads the numbers. */
#include "tally.h"

#include "feed.h"

/* One thread writes: the sum needs no instruction that locks the bus. */
static void add(atomic_uint_least64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Of what a record says of its way: it may be any number. */
#define LONGEST_MS (INT64_C(366) * 24 * 3600 * 1000)

static void note_us(tally_times *t, int64_t us)
{
    if (us < 0)
        us = 0; /* two clocks that differ */
    add(&t->counts[histogram_place_us(us)], 1);
    add(&t->sum_us, (uint64_t)us);
}

/* Both since 1970. */
static void note_way(tally_times *t, int64_t from_ms, int64_t to_ms)
{
    int64_t took_ms = to_ms - from_ms;
    if (took_ms < 0)
        took_ms = 0;
    note_us(t, (took_ms < LONGEST_MS ? took_ms : LONGEST_MS) * 1000);
}

void tally_note_attempt(tally *t, size_t n_events, int64_t took_us)
{
    add(&t->n_attempts, n_events);
    note_us(&t->stages[STAGE_HANDLER], took_us);
}

tally_moment tally_now(void)
{
    return (tally_moment){.us = feed_now_us(), .wall_ms = feed_wall_ms()};
}

void tally_note_handled(tally *t, const event *e, tally_moment at)
{
    if (e->n != 0 || e->waited)
        return;
    int64_t handling_us = at.us - e->read_us;
    note_us(&t->stages[STAGE_HANDLE], handling_us);
    if (e->relayed_ms >= 0)
        note_way(&t->stages[STAGE_CONSUME], e->relayed_ms, e->read_ms);
    if (e->published_ms < 0)
        return;
    if (e->relayed_ms >= 0)
        note_way(&t->stages[STAGE_RELAY], e->published_ms, e->relayed_ms);
    note_way(&t->stages[STAGE_ARRIVE], e->published_ms, e->read_ms);
    note_way(&t->stages[STAGE_WHOLE], e->published_ms, at.wall_ms);
}

void tally_add_to(const tally *t, uint64_t *n_attempts, histogram *stages)
{
    *n_attempts += atomic_load_explicit(&t->n_attempts, memory_order_relaxed);
    for (size_t i = 0; i < SUBSCRIBER_N_STAGES; i++) {
        const tally_times *from = &t->stages[i];
        stages[i].sum += atomic_load_explicit(&from->sum_us, memory_order_relaxed);
        for (size_t k = 0; k <= HISTOGRAM_N_BOUNDS; k++)
            stages[i].counts[k] += atomic_load_explicit(&from->counts[k], memory_order_relaxed);
    }
}
