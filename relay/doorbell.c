/* The doorbell's state machine: decides, does no I/O, and must never sleep without having read after it took the lock. */
#include "doorbell.h"

#define POLL_GAP_US 100 /* between reads that found nothing, until idle for idle_us */
#define PACE_LEAST_ROWS 3
#define PACE_ROW_US 200
#define PACE_MOST_US 4000
#define NAP_LEAST_US 1000 /* a publisher is in its transaction: look again soon, then less and less often */
#define NAP_MOST_US 25000
#define IDLE_MOST_US 1000000
#define MANY_RINGS                                                                                           \
    8 /* rings in one wake from which on waking costs the publishers more than polling costs us */

void doorbell_init(doorbell *d, int64_t idle_ms, int64_t safety_poll_ms, int64_t now_us)
{
    *d = (doorbell){
        .idle_us = idle_ms * 1000, .idle_least_us = idle_ms * 1000, .safety_us = safety_poll_ms * 1000};
    doorbell_restart(d, now_us);
}

void doorbell_restart(doorbell *d, int64_t now_us)
{
    d->state = DOORBELL_AWAKE;
    d->last_rows_us = now_us;
    d->next_read_us = now_us;
    d->nap_us = NAP_LEAST_US;
    d->woken = false;
    d->found_unrung = false;
    d->rings_this_wake = 0;
}

static void adapt_idle(doorbell *d)
{
    if (d->rings_this_wake > MANY_RINGS && d->idle_us < IDLE_MOST_US)
        d->idle_us = d->idle_us * 2 > IDLE_MOST_US ? IDLE_MOST_US : d->idle_us * 2;
    else if (d->rings_this_wake <= 2 && d->idle_us > d->idle_least_us)
        d->idle_us = d->idle_us / 2 < d->idle_least_us ? d->idle_least_us : d->idle_us / 2;
    d->rings_this_wake = 0;
}

static doorbell_action wake(doorbell *d)
{
    d->state = DOORBELL_AWAKE;
    d->woken = false;
    d->nap_us = NAP_LEAST_US;
    return DOORBELL_UNLOCK_AND_READ;
}

doorbell_action doorbell_next(doorbell *d, int64_t now_us, int64_t *out_until_us)
{
    if (d->state != DOORBELL_AWAKE && d->woken) {
        d->n_wakes++;
        d->last_rows_us = now_us;
        d->next_read_us = now_us; /* else, where the rows have been read before, that of the safety poll */
        return wake(d);
    }
    if (d->state == DOORBELL_ARMED) /* the armed read found rows */
        return wake(d);
    if (now_us < d->next_read_us) {
        *out_until_us = d->next_read_us;
        return DOORBELL_WAIT;
    }
    if (d->state == DOORBELL_ASLEEP) {
        d->n_safety_polls++;
        return DOORBELL_READ;
    }
    if (now_us - d->last_rows_us < d->idle_us)
        return DOORBELL_READ;
    return DOORBELL_ARM_AND_READ;
}

void doorbell_lock_answered(doorbell *d, bool got_it, int64_t now_us)
{
    if (!got_it) {
        d->next_read_us = now_us + d->nap_us;
        d->nap_us = d->nap_us * 2 > NAP_MOST_US ? NAP_MOST_US : d->nap_us * 2;
        return;
    }
    d->state = DOORBELL_ARMED;
    d->n_arms++;
    d->n_safety_found += d->found_unrung;
    d->found_unrung = false;
    adapt_idle(d);
}

/* A read that finds one or two rows is followed at once by the next. One that finds many is a sign of load: then each read costs the
 * publishers more than a short wait costs their events, and the wait lets rows gather. */
static int64_t pace_us(int n_rows)
{
    if (n_rows < PACE_LEAST_ROWS)
        return 0;
    return n_rows > PACE_MOST_US / PACE_ROW_US ? PACE_MOST_US : n_rows * PACE_ROW_US;
}

void doorbell_read_done(doorbell *d, int n_rows, int64_t now_us)
{
    if (n_rows > 0) {
        if (d->state == DOORBELL_ASLEEP) { /* a safety poll; the ring may still be on its way */
            d->found_unrung = !d->woken;
            d->state = DOORBELL_ARMED;
        }
        d->last_rows_us = now_us;
        d->next_read_us = now_us + pace_us(n_rows);
        d->nap_us = NAP_LEAST_US;
    } else if (d->state == DOORBELL_AWAKE) {
        if (d->next_read_us <= now_us)
            d->next_read_us = now_us + POLL_GAP_US;
    } else {
        d->state = DOORBELL_ASLEEP;
        d->next_read_us = now_us + d->safety_us;
    }
}

bool doorbell_take_unlock(doorbell *d)
{
    if (d->state != DOORBELL_ARMED)
        return false;
    d->n_wakes += d->woken;
    wake(d);
    return true;
}

void doorbell_rung(doorbell *d, int n_rings)
{
    d->n_rings += (uint64_t)n_rings;
    d->rings_this_wake += n_rings;
    d->found_unrung = false;
    d->woken = d->state != DOORBELL_AWAKE;
}
