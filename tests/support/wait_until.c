/* Polls a condition up to a deadline; never takes the passing of time itself for a result. */
#include "wait_until.h"

#include <time.h>

enum { POLL_MS = 5 };

int64_t wait_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool wait_until(wait_condition *condition, void *arg, int deadline_ms)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    int64_t deadline = wait_now_ms() + deadline_ms;
    for (;;) {
        /* Asked once more after the deadline: a slow machine may not have come here in time. */
        bool last = wait_now_ms() >= deadline;
        if (condition(arg))
            return true;
        if (last)
            return false;
        nanosleep(&pause, NULL);
    }
}
