/* Reads what a subscription's threads have counted; must never hold their lock for longer than it takes to copy some numbers. */
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lane.h"

/* A reader comes round several times a second; the longest call it makes is the inbox's rotation, which may take 240 s. */
enum { STUCK_MS = 300000 };
/* Lanes try twice a second: a server that is back has given all of them their sessions by then. */
enum { SEARCH_MS = 3000 };

/* ---- counts ---- */

static uint64_t n_attempts_of(feed *f, histogram *stages)
{
    uint64_t n = 0;
    for (int i = 0; i < f->sub->n_threads; i++)
        tally_add_to(&f->lanes[i].tally, &n, stages);
    return n;
}

pbus_worker_counts measure_counts(feed *f)
{
    histogram unused[SUBSCRIBER_N_STAGES] = {0};
    uint64_t n_attempts = n_attempts_of(f, unused);
    pthread_mutex_lock(&f->lock);
    pbus_worker_counts counts = f->counts;
    counts.n_partitions = f->n_windows;
    pthread_mutex_unlock(&f->lock);
    counts.n_attempts = n_attempts;
    return counts;
}

/* ---- lag ---- */

static double more(double sum, double n)
{
    return isnan(sum) ? n : sum + n;
}

/* What no partition tells stays unknown; of no partitions it is zero. */
static void measure_window(const window *w, int64_t now_ms, int64_t wall_ms, subscriber_topic *out)
{
    int64_t lag = window_lag(w, now_ms - CENSUS_FRESH_MS);
    double lag_s = (double)window_lag_ms(w, now_ms, wall_ms) / 1e3;
    out->partitions++;
    if (lag >= 0)
        out->lag_events = more(out->lag_events, (double)lag);
    if ((lag >= 0 || w->n > 0) && !(out->lag_s >= lag_s))
        out->lag_s = lag_s;
}

static subscriber_topic measure_topic(const feed *f, const char *topic, int64_t now_ms, int64_t wall_ms)
{
    subscriber_topic t = {.name = topic, .lag_events = NAN, .lag_s = NAN};
    for (size_t i = 0; i < f->n_windows; i++)
        if (f->windows[i].topic == topic)
            measure_window(&f->windows[i], now_ms, wall_ms, &t);
    if (t.partitions == 0 && f->placed)
        t.lag_events = t.lag_s = 0;
    return t;
}

/* ---- all of it ---- */

static void measure_known(const census_answer *known, int64_t now_ms, subscriber_measures *m)
{
    bool is = known->known_at_ms != 0 && now_ms <= known->known_until_ms;
    m->waiting_events = is ? known->waiting_events : NAN;
    m->waiting_oldest_age_s = is ? known->waiting_oldest_age_s : NAN;
    m->dead_letters = is ? known->dead_letters : NAN;
    m->members = is ? known->members : NAN;
    m->known_age_s = known->known_at_ms ? (double)(now_ms - known->known_at_ms) / 1e3 : NAN;
}

static void measure_outcomes(const pbus_worker_counts *counts, subscriber_measures *m)
{
    m->n_read = counts->n_read;
    m->n_gaps = counts->n_gaps;
    m->n_rebalances = counts->n_rebalances;
    m->queued_events = (double)counts->n_queued;
    m->outcomes[OUTCOME_HANDLED] = counts->n_handled;
    m->outcomes[OUTCOME_UNWANTED] = counts->n_unwanted;
    m->outcomes[OUTCOME_DUPLICATE] = counts->n_duplicates;
    m->outcomes[OUTCOME_BEHIND] = counts->n_behind;
    m->outcomes[OUTCOME_RETRY] = counts->n_retries;
    m->outcomes[OUTCOME_DEAD] = counts->n_dead;
}

void measure_feed(feed *f, const census_answer *known, subscriber_topic *topics, subscriber_measures *out)
{
    char reason[200];
    const subscription *sub = f->sub;
    int64_t now_ms = feed_now_ms(), wall_ms = feed_wall_ms();
    *out =
        (subscriber_measures){.application = f->cfg->application,
                              .subscription = sub->key,
                              .topics = topics,
                              .n_topics = sub->n_topics,
                              .threads = sub->n_threads,
                              .ready = measure_is_over(f) ? NAN : measure_is_ready(f, reason, sizeof reason)};
    out->n_attempts = n_attempts_of(f, out->stages);
    measure_known(known, now_ms, out);
    pthread_mutex_lock(&f->lock);
    measure_outcomes(&f->counts, out);
    out->queued_bytes = (double)f->queued_bytes;
    for (size_t i = 0; i < sub->n_topics; i++)
        topics[i] = measure_topic(f, sub->topics[i], now_ms, wall_ms);
    pthread_mutex_unlock(&f->lock);
}

/* ---- judgements ---- */

bool measure_is_over(feed *f)
{
    return feed_is_stopping(f);
}

/* What such a lane was given is handled by no other. With the lock held. */
static bool lacks_sessions(const feed *f)
{
    int64_t now_ms = feed_now_ms();
    for (int i = 0; i < f->sub->n_threads; i++) {
        int64_t since_ms = f->lanes[i].seeks_session_since_ms;
        if (since_ms != 0 && now_ms - since_ms > SEARCH_MS)
            return true;
    }
    return false;
}

static const char *unreadiness(const feed *f)
{
    if (f->stopping)
        return "it is stopping, or has been ended";
    if (f->brokers_away)
        return "no broker answers";
    if (f->lost)
        return f->cfg->conninfo ? "a session with PostgreSQL was lost, or the database does not answer"
                                : "its positions are to be read again";
    if (!f->placed)
        return "it has no partitions yet: the group has not given it any, or positions are not there";
    if (lacks_sessions(f))
        return "a thread that handles events gets no session with PostgreSQL";
    return NULL;
}

bool measure_is_ready(feed *f, char *reason, size_t reason_size)
{
    pthread_mutex_lock(&f->lock);
    const char *why = unreadiness(f);
    size_t n = f->n_windows;
    pthread_mutex_unlock(&f->lock);
    if (why)
        snprintf(reason, reason_size, "%s", why);
    else
        snprintf(reason, reason_size, "reading %zu partition%s", n, n == 1 ? "" : "s");
    return !why;
}

bool measure_is_alive(feed *f, char *reason, size_t reason_size)
{
    int64_t beat_ms = atomic_load_explicit(&f->beat_ms, memory_order_relaxed), now_ms = feed_now_ms();
    if (beat_ms == 0 || now_ms - beat_ms < STUCK_MS || measure_is_over(f)) {
        snprintf(reason, reason_size, "alive");
        return true;
    }
    snprintf(reason, reason_size, "its reader has not come back from a call for %lld s",
             (long long)((now_ms - beat_ms) / 1000));
    return false;
}
