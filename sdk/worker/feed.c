/* Keeps what the threads of a subscription share; must never hold its lock while it waits for a database, a broker or a handler. */
#include "feed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lane.h"
#include "outlet.h"

/* How often a reader that waits for handlers says that it lives. */
enum { BEAT_MS = 1000 };

int64_t feed_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int64_t feed_now_ms(void)
{
    return feed_now_us() / 1000;
}

int64_t feed_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

bool feed_cond_init(pthread_cond_t *what)
{
    pthread_condattr_t how;
    bool ok = pthread_condattr_init(&how) == 0 && pthread_condattr_setclock(&how, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(what, &how) == 0;
    pthread_condattr_destroy(&how);
    return ok;
}

void feed_wait(feed *f, pthread_cond_t *what, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(what, &f->lock, &until);
}

bool feed_init(feed *f, const worker_config *cfg, const subscription *sub)
{
    *f = (feed){.cfg = cfg, .sub = sub};
    uint32_t random = (uint32_t)feed_now_ms();
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random ^= (uint32_t)getpid() * 2654435761u;
    snprintf(f->instance, sizeof f->instance, "%08x", random);
    pthread_mutex_init(&f->lock, NULL);
    return feed_cond_init(&f->changed) && (f->lanes = lanes_new(f)) != NULL;
}

feed_name feed_session_name(const feed *f, const char *what)
{
    feed_name name;
    /* PostgreSQL keeps 63 bytes of it. */
    snprintf(name.text, sizeof name.text, "postbus %s %s %.20s.%.17s", f->instance, what, f->cfg->application,
             f->sub->key);
    return name;
}

void feed_done(feed *f)
{
    lanes_free(f->lanes, f);
    outlet_free(f->outlet);
    for (size_t i = 0; i < f->n_windows; i++)
        window_done(&f->windows[i]);
    free(f->windows);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

bool feed_fill(feed *f)
{
    int share = f->is_full ? 2 : 1;
    f->is_full = f->lost || f->counts.n_queued >= (uint64_t)(f->sub->queue_events / share + (share == 2)) ||
                 f->queued_bytes >= f->sub->queue_bytes / share + (share == 2);
    return f->is_full;
}

void feed_finish(feed *f, event *const *events, size_t n, bool done)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++) {
        const event *e = events[i];
        f->queued_bytes -= (int64_t)e->size_bytes;
        if (done && e->generation == f->generation)
            window_finish(&f->windows[e->window], e->ticket);
    }
    f->counts.n_queued -= n;
    /* Woken for each event, the reader would take the processor away from whoever handles them. */
    if (f->is_full && !feed_fill(f))
        pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < n; i++)
        event_free(events[i]);
}

size_t feed_n_current(feed *f, event *const *events, size_t n)
{
    size_t n_current = 0;
    pthread_mutex_lock(&f->lock);
    while (n_current < n && events[n_current]->generation == f->generation && !f->lost)
        n_current++;
    pthread_mutex_unlock(&f->lock);
    return n_current;
}

/* With the lock held. */
static bool wants(const feed *f, const event *e)
{
    return e->generation == f->generation && !f->lost && !f->stopping;
}

bool feed_wants(feed *f, const event *e)
{
    pthread_mutex_lock(&f->lock);
    bool wanted = wants(f, e);
    pthread_mutex_unlock(&f->lock);
    return wanted;
}

bool feed_begin(feed *f, const event *e)
{
    pthread_mutex_lock(&f->lock);
    bool current = wants(f, e);
    f->n_handling += current;
    pthread_mutex_unlock(&f->lock);
    return current;
}

void feed_end(feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->n_handling--;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void feed_settle(feed *f, int64_t until_ms)
{
    pthread_mutex_lock(&f->lock);
    f->lost = true;
    for (int64_t now_ms; f->n_handling > 0 && !f->abandoned && (now_ms = feed_now_ms()) < until_ms;) {
        atomic_store_explicit(&f->beat_ms, now_ms, memory_order_relaxed); /* it stands by, and is not stuck */
        feed_wait(f, &f->changed, now_ms + BEAT_MS < until_ms ? now_ms + BEAT_MS : until_ms);
    }
    pthread_mutex_unlock(&f->lock);
}

void feed_stop(feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    value_reader_interrupt(f->sub->values);
    lanes_wake_all(f);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

bool feed_is_stopping(feed *f)
{
    pthread_mutex_lock(&f->lock);
    bool stopping = f->stopping;
    pthread_mutex_unlock(&f->lock);
    return stopping;
}

bool feed_is_abandoned(feed *f)
{
    pthread_mutex_lock(&f->lock);
    bool abandoned = f->abandoned;
    pthread_mutex_unlock(&f->lock);
    return abandoned;
}

void feed_count(feed *f, uint64_t *counter)
{
    pthread_mutex_lock(&f->lock);
    ++*counter;
    pthread_mutex_unlock(&f->lock);
}

void feed_lose(feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->lost = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void feed_due_in(feed *f, int64_t delay_ms)
{
    int64_t at_ms = feed_now_ms() + delay_ms;
    pthread_mutex_lock(&f->lock);
    if (at_ms < f->next_due_ms)
        f->next_due_ms = at_ms;
    lanes_wake_one(f);
    pthread_mutex_unlock(&f->lock);
}

void feed_tell_place(const feed *f, pbus_notice_kind kind, const char *topic, int32_t partition,
                     int64_t offset, int64_t number, const char *message)
{
    if (!f->cfg->notice)
        return;
    const pbus_notice notice = {.kind = kind,
                                .subscription = f->sub->key,
                                .topic = topic,
                                .partition = partition,
                                .offset = offset,
                                .number = number,
                                .message = message};
    f->cfg->notice(&notice, f->cfg->notice_arg);
}

void feed_tell(const feed *f, pbus_notice_kind kind, const event *e, int64_t number, const char *format, ...)
{
    char message[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    feed_tell_place(f, kind, e ? e->view.topic : NULL, e ? e->view.partition : -1, e ? e->view.offset : -1,
                    number, message);
}
