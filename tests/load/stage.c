/* The shared stage of a run: stop, pauses that end early, dice. It must never touch a server. */
#include "stage.h"

#include <errno.h>
#include <time.h>

void stage_init(stage *s, const plan *p)
{
    pthread_condattr_t monotonic;

    s->plan = p;
    s->start_ms = now_ms();
    s->stopping = false;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void stage_done(stage *s)
{
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

void stage_stop(stage *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool stage_stopping(stage *s)
{
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

bool stage_is_sparse(const stage *s)
{
    if (s->plan->rate > 0)
        return false;
    int64_t cycle_ms = s->plan->seconds < 10 ? (int64_t)s->plan->seconds * 1000 + 1 : 10000;

    return (now_ms() - s->start_ms) % cycle_ms >= cycle_ms * 3 / 5;
}

bool stage_pause(stage *s, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT) {}
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return !stopping;
}

const char *run_name(run_kind kind)
{
    static const char *const names[RUN_KINDS] = {"plain", "kill", "terminate", "broker", "naive"};

    return names[kind];
}

int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t dice_roll(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

int dice_below(uint64_t *state, int n)
{
    return n <= 1 ? 0 : (int)(dice_roll(state) % (uint64_t)n);
}
