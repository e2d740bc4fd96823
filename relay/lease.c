/* Counts the lease's time; must never count from when an answer came, only from when its question left. */
#include "lease.h"

#include "clock.h"

#define TERM_MOST_US 5000000 /* half of what TCP grants a host that is gone: setup.sql */

void lease_init(lease *l, int64_t length_ms)
{
    int64_t half_us = length_ms * 1000 / 2;
    *l = (lease){.term_us = half_us < TERM_MOST_US ? half_us : TERM_MOST_US};
}

void lease_ask(lease *l, int64_t now_us)
{
    l->asked_us = now_us;
}

void lease_answered(lease *l)
{
    l->until_us = l->asked_us + l->term_us;
    l->asked_us = 0;
}

int64_t lease_ask_at(const lease *l)
{
    return l->asked_us ? CLOCK_NEVER : l->until_us - l->term_us / 2;
}

bool lease_holds(const lease *l, int64_t now_us)
{
    return now_us < l->until_us;
}
