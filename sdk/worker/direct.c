/* Has events handled without a transaction; must never call one done that was neither acknowledged nor given up as the subscription says. */
#include "direct.h"

#include <string.h>

#include "attempt.h"
#include "outlet.h"

/* An event whose schema cannot be asked for is looked at again after so long. */
enum { UNREAD_MS = 1000 };

/* What became of an event that was handled. */
typedef enum direct_end { DIRECT_DONE, DIRECT_AGAIN, DIRECT_STOP } direct_end;

/* Where nothing can be done about it: the partitions are read again from the positions that are stored. */
static void no_memory(lane *l, event *e)
{
    feed_tell(l->feed, PBUS_NOTICE_KAFKA, e, 0, "no memory for an event that waits");
    feed_lose(l->feed);
    for (event *next; e; e = next) {
        next = waiting_next(e);
        feed_finish(l->feed, &e, 1, false);
    }
}

static void wait_until(lane *l, event *e, int64_t due_ms)
{
    if (!waiting_put(&l->waiting, e, due_ms))
        no_memory(l, e);
}

/* It is done, or not to be begun; the one behind it, which nothing holds any more, is next. */
static void leave(lane *l, event *e, bool done)
{
    event *next = waiting_next(e);
    feed_finish(l->feed, &e, 1, done);
    if (next)
        wait_until(l, next, feed_now_ms());
}

static void tell_dead(lane *l, const event *e, const char *reason, const char *error)
{
    feed *f = l->feed;
    feed_count(f, &f->counts.n_dead);
    feed_tell(f, PBUS_NOTICE_DEAD, e, e->view.attempt, "%s: %s", reason, error);
}

/* No topic takes the dead letter. */
static direct_end give_up(lane *l, const event *e, const char *reason, const char *error, const char *why)
{
    feed *f = l->feed;
    if (f->sub->at_dead == PBUS_AT_DEAD_SKIP) {
        if (*why)
            feed_tell(f, PBUS_NOTICE_UNPUBLISHED, e, 0, "a dead letter cannot be sent to %s: %s",
                      f->sub->dead_letter_topic, why);
        tell_dead(l, e, reason, error);
        return DIRECT_DONE;
    }
    feed_tell(f, PBUS_NOTICE_STOPPED, e, e->view.attempt,
              "%s: %s; the subscription has stopped before it%s%s", reason, error,
              *why ? ", since the topic of dead letters does not take it: " : "", why);
    feed_stop(f);
    return DIRECT_STOP;
}

static direct_end bury(lane *l, const event *e, const char *reason, const char *error)
{
    const char *why = "";
    outlet_end end =
        l->feed->outlet ? outlet_send(l->feed->outlet, l->feed, e, reason, error, &why) : OUTLET_REFUSED;
    if (end == OUTLET_STOPPED)
        return DIRECT_STOP;
    if (end == OUTLET_REFUSED)
        return give_up(l, e, reason, error, why);
    tell_dead(l, e, reason, error);
    return DIRECT_DONE;
}

static direct_end failed(lane *l, event *e, const pbus_outcome *outcome, int64_t *out_delay_ms)
{
    feed *f = l->feed;
    char error[ATTEMPT_ERROR_SIZE];
    bool known = outcome->verdict == PBUS_RETRY || outcome->verdict == PBUS_DEAD;
    attempt_copy_error(error, known ? outcome->reason : "the handler returned a verdict that there is not");
    if (!e->failed_at_ms)
        e->failed_at_ms = feed_wall_ms();
    *out_delay_ms = attempt_delay_ms(l, e, outcome);
    if (*out_delay_ms < 0)
        return bury(l, e, outcome->verdict == PBUS_DEAD ? "rejected" : "exhausted", error);
    feed_count(f, &f->counts.n_retries);
    feed_tell(f, PBUS_NOTICE_RETRY, e, e->view.attempt, "again in %lld ms: %s", (long long)*out_delay_ms,
              error);
    return DIRECT_AGAIN;
}

static direct_end attempt_once(lane *l, event *e, int64_t *out_delay_ms)
{
    pbus_error err;
    feed *f = l->feed;
    filter_match match = subscription_wants_at_last(f->sub, e, &err);
    if (match == FILTER_OPEN) {
        if (!feed_is_stopping(f))
            feed_tell(f, PBUS_NOTICE_SCHEMA, e, 0, "%s", err.message);
        *out_delay_ms = UNREAD_MS;
        return DIRECT_AGAIN;
    }
    if (match == FILTER_NO) {
        feed_count(f, &f->counts.n_unwanted);
        return DIRECT_DONE;
    }
    const char *error, *unfit = attempt_unfit(e, CLAIM_NEW, &error);
    if (unfit)
        return bury(l, e, unfit, error);
    e->view.application = f->cfg->application;
    e->view.subscription = f->sub->key;
    e->view.attempt++;
    int64_t began_us = feed_now_us();
    pbus_outcome outcome = f->sub->handler(&e->view, NULL, f->sub->arg);
    tally_note_attempt(&l->tally, 1, feed_now_us() - began_us);
    outcome.reason[PBUS_REASON_SIZE - 1] = '\0';
    if (outcome.verdict != PBUS_ACK && feed_is_abandoned(f)) /* who stopped us may have cut it short */
        return DIRECT_STOP;
    if (outcome.verdict != PBUS_ACK)
        return failed(l, e, &outcome, out_delay_ms);
    tally_note_handled(&l->tally, e, tally_now());
    feed_count(f, &f->counts.n_handled);
    return DIRECT_DONE;
}

/* Nothing of the worker's end, or of the partitions', comes between the question and the attempt. */
static void handle(lane *l, event *e)
{
    int64_t delay_ms = 0;
    if (!feed_begin(l->feed, e)) {
        leave(l, e, false);
        return;
    }
    direct_end end = attempt_once(l, e, &delay_ms);
    if (end == DIRECT_AGAIN)
        wait_until(l, e, feed_now_ms() + delay_ms);
    else
        leave(l, e, end == DIRECT_DONE);
    feed_end(l->feed);
}

void direct_read(lane *l, event *e)
{
    feed *f = l->feed;
    if (feed_n_current(f, &e, 1) == 0)
        feed_finish(f, &e, 1, false);
    else if (waiting_follow(&l->waiting, e))
        feed_count(f, &f->counts.n_behind);
    else
        handle(l, e);
}

void direct_due(lane *l)
{
    event *e = waiting_take(&l->waiting);
    e->waited = true;
    handle(l, e);
}

void direct_forget(lane *l)
{
    for (event *e; (e = waiting_take(&l->waiting));)
        for (event *next; e; e = next) {
            next = waiting_next(e);
            feed_finish(l->feed, &e, 1, false);
        }
}
