/* Carries wishes and copies between two threads; must never hold its lock for longer than a copy takes. */
#include "intercom.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool intercom_init(intercom *i, int front_fd)
{
    *i = (intercom){.front_fd = front_fd, .relay_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    pthread_mutex_init(&i->lock, NULL);
    return i->relay_fd >= 0;
}

void intercom_done(intercom *i)
{
    if (i->relay_fd >= 0)
        close(i->relay_fd);
    pthread_mutex_destroy(&i->lock);
}

/* A counter that is full wakes as well. */
static void wake(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
}

void intercom_wake_relay(intercom *i)
{
    wake(i->relay_fd);
}

void intercom_take_wake(intercom *i)
{
    uint64_t count;
    ssize_t n = read(i->relay_fd, &count, sizeof count);
    (void)n;
}

void intercom_read(intercom *i, showing *out)
{
    pthread_mutex_lock(&i->lock);
    *out = i->shown;
    pthread_mutex_unlock(&i->lock);
    out->awake_since_us = atomic_load(&i->awake_since_us);
}

void intercom_peek(intercom *i, bool *out_ended, bool *out_refused)
{
    pthread_mutex_lock(&i->lock);
    *out_ended = i->shown.ended;
    *out_refused = i->shown.health.refused;
    pthread_mutex_unlock(&i->lock);
}

/* What systemd is told, or what ends the process, hangs on these. */
static bool front_acts_on(const health *was, const health *is)
{
    return was->facts.role != is->facts.role || was->facts.stopping != is->facts.stopping ||
           was->refused != is->refused || strcmp(was->away_reason, is->away_reason) != 0;
}

void intercom_show(intercom *i, const health *h, const metrics *m, const backlog *b)
{
    pthread_mutex_lock(&i->lock);
    bool tell = front_acts_on(&i->shown.health, h);
    i->shown.health = *h;
    i->shown.metrics = *m;
    if (i->shown.known_at_us != b->known_at_us) {
        i->shown.parked = b->known;
        i->shown.known_at_us = b->known_at_us;
        i->shown.known_until_us = b->known_until_us;
    }
    pthread_mutex_unlock(&i->lock);
    if (tell)
        wake(i->front_fd);
}

void intercom_show_end(intercom *i, int exit_code)
{
    pthread_mutex_lock(&i->lock);
    i->shown.ended = true;
    i->shown.exit_code = exit_code;
    pthread_mutex_unlock(&i->lock);
    wake(i->front_fd);
}

/* ---- judging ---- */

static int64_t absent_us(const showing *s, int64_t now_us)
{
    return s->awake_since_us == 0 || s->ended ? 0 : now_us - s->awake_since_us;
}

static void say_absent(const showing *s, int64_t now_us, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "the relay has not come back from a call for %lld s",
             (long long)(absent_us(s, now_us) / 1000000));
}

bool showing_is_ready(const showing *s, int64_t now_us, char *reason, size_t reason_size)
{
    bool absent = absent_us(s, now_us) >= INTERCOM_ABSENT_US;
    if (absent)
        say_absent(s, now_us, reason, reason_size);
    else if (s->ended)
        snprintf(reason, reason_size, "the relay has ended");
    return !absent && !s->ended && health_is_ready(&s->health, now_us, reason, reason_size);
}

/* One of several that waits for its server is no reason to start all of them anew; it begins again by itself. */
bool showing_is_alive(const showing *s, bool one_of_several, int64_t now_us, char *reason, size_t reason_size)
{
    if (absent_us(s, now_us) >= HEALTH_STUCK_US) {
        say_absent(s, now_us, reason, reason_size);
        return false;
    }
    if (!one_of_several)
        return health_is_alive(&s->health, now_us, reason, reason_size);
    snprintf(reason, reason_size, "alive");
    return true;
}
