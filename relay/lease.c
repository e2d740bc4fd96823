/* Counts the lease's time; must never count from when an answer came, only from when its question left. */
#include "lease.h"

#include "clock.h"

void lease_init(lease *l, int64_t length_ms)
{
    *l = (lease){.length_us = length_ms * 1000};
}

void lease_ask(lease *l, int64_t now_us)
{
    l->asked_us = now_us;
}

void lease_answered(lease *l)
{
    l->until_us = l->asked_us + l->length_us / 2;
    l->asked_us = 0;
}

int64_t lease_ask_at(const lease *l)
{
    return l->asked_us ? CLOCK_NEVER : l->until_us - l->length_us / 4;
}

bool lease_holds(const lease *l, int64_t now_us)
{
    return now_us < l->until_us;
}
