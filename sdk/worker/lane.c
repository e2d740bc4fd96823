/* Runs a thread that takes events from its queue, or from those that are due, and has them attempted; must never take one before the
 * last one of its key is done. */
#include "lane.h"

#include <poll.h>
#include <stdlib.h>

#include "attempt.h"
#include "batch.h"
#include "direct.h"
#include "failure.h"

/* How soon after a look that found nothing due another one follows, at most; others' events become due unseen. */
enum { CANCEL_TRIES = 50, CANCEL_MS = 100 };
enum { LOOK_MS = 1000, LOOK_SOON_MS = 50, RECONNECT_MS = 500, IDLE_MS = 1000 };

uint32_t lane_random(lane *l)
{
    l->random = l->random * 1664525u + 1013904223u;
    return l->random ^ l->random >> 16;
}

static void free_rooms(lane *l)
{
    free(l->batch);
    free(l->states);
    free(l->plain);
    free(l->views);
}

static bool lane_init(lane *l, feed *f, int i)
{
    size_t most = (size_t)f->sub->batch_size;
    l->feed = f;
    l->pace = 1;
    l->random = (uint32_t)feed_now_ms() * 2654435761u + (uint32_t)i * 40503u;
    l->batch = calloc(most, sizeof(event *));
    l->states = calloc(most, sizeof *l->states);
    l->plain = calloc(most, sizeof(event *));
    l->views = calloc(most, sizeof(pbus_delivery *));
    if (l->batch && l->states && l->plain && l->views && feed_cond_init(&l->has_work))
        return true;
    free_rooms(l);
    return false;
}

static void lane_done(lane *l)
{
    for (event *e = l->first, *next; e; e = next) {
        next = e->next;
        event_free(e);
    }
    waiting_done(&l->waiting);
    owed_done(&l->owed);
    free_rooms(l);
    pthread_cond_destroy(&l->has_work);
}

lane *lanes_new(feed *f)
{
    lane *lanes = calloc((size_t)f->sub->n_threads, sizeof *lanes);
    for (int i = 0; lanes && i < f->sub->n_threads; i++)
        if (!lane_init(&lanes[i], f, i)) {
            while (i-- > 0)
                lane_done(&lanes[i]);
            free(lanes);
            return NULL;
        }
    return lanes;
}

void lanes_free(lane *lanes, feed *f)
{
    for (int i = 0; lanes && i < f->sub->n_threads; i++)
        lane_done(&lanes[i]);
    free(lanes);
}

void lanes_put(feed *f, event *e)
{
    uint64_t spread =
        e->view.key ? (uint64_t)e->queue : (uint64_t)e->view.offset * 31 + (uint64_t)e->view.partition;
    lane *l = &f->lanes[spread % (uint64_t)f->sub->n_threads];
    e->next = NULL;
    if (l->last)
        l->last->next = e;
    else
        l->first = e;
    l->last = e;
    pthread_cond_signal(&l->has_work);
}

void lanes_wake_one(feed *f)
{
    for (int i = 0; i < f->sub->n_threads; i++)
        if (!f->lanes[i].first) {
            pthread_cond_signal(&f->lanes[i].has_work);
            return;
        }
}

void lanes_wake_all(feed *f)
{
    for (int i = 0; i < f->sub->n_threads; i++)
        pthread_cond_signal(&f->lanes[i].has_work);
}

void lanes_cancel(feed *f)
{
    for (int i = 0; i < f->sub->n_threads; i++) {
        pthread_mutex_lock(&f->lock);
        cancel *c = cancel_share(f->lanes[i].cancel);
        pthread_mutex_unlock(&f->lock);
        cancel_send(c);
        cancel_leave(c);
    }
}

/* What there is to do. */
typedef enum lane_work { LANE_END, LANE_READ, LANE_DUE, LANE_STALE } lane_work;

static bool is_direct(const lane *l)
{
    return l->feed->cfg->positions == PBUS_POSITIONS_KAFKA;
}

/* When something is due: what waits in the database is any lane's, what waits in memory this one's. */
static int64_t due_at_ms(const lane *l)
{
    return is_direct(l) ? waiting_due_ms(&l->waiting) : l->feed->next_due_ms;
}

/* As many as go into a transaction now, or as there are: nobody waits for a batch to be full. */
static size_t lane_pop(lane *l)
{
    size_t n = 0;
    while (l->first && n < l->pace) {
        l->batch[n++] = l->first;
        l->first = l->first->next;
    }
    if (!l->first)
        l->last = NULL;
    return n;
}

/* Whether an event that waited comes before those that were read. With the lock held. */
static bool due_comes_first(const lane *l, int64_t now_ms)
{
    return now_ms >= due_at_ms(l) && l->due_turns > 0;
}

const event *lane_peek(lane *l)
{
    feed *f = l->feed;
    const event *next = NULL;
    pthread_mutex_lock(&f->lock);
    if (f->sub->batch_size == 1 && l->first && !f->stopping && !f->lost &&
        l->first->generation == f->generation && !l->first->doubted && !owed_has(&l->owed, l->first) &&
        !due_comes_first(l, feed_now_ms()))
        next = l->first;
    pthread_mutex_unlock(&f->lock);
    return next;
}

/* Waits for work. Events that are due and events that were read take turns, so that neither starves. */
static lane_work lane_next(lane *l, size_t *out_n)
{
    feed *f = l->feed;
    lane_work work = LANE_END;
    pthread_mutex_lock(&f->lock);
    while (!f->stopping) {
        int64_t now_ms = feed_now_ms(), due_ms = due_at_ms(l);
        if (l->generation != f->generation) {
            l->generation = f->generation;
            work = LANE_STALE;
            break;
        }
        if (l->first && (l->ahead.event || !due_comes_first(l, now_ms))) {
            *out_n = l->due_turns = lane_pop(l);
            work = LANE_READ;
            break;
        }
        if (now_ms >= due_ms) {
            if (!is_direct(l))
                f->next_due_ms = now_ms + LOOK_SOON_MS; /* the others need not look, too */
            l->due_turns -= l->due_turns > 0;
            work = LANE_DUE;
            break;
        }
        int64_t until_ms = due_ms < now_ms + IDLE_MS ? due_ms : now_ms + IDLE_MS;
        feed_wait(f, &l->has_work, until_ms);
    }
    pthread_mutex_unlock(&f->lock);
    return work;
}

static void lane_close(lane *l)
{
    feed *f = l->feed;
    pthread_mutex_lock(&f->lock);
    cancel_leave(l->cancel);
    l->cancel = NULL;
    pthread_mutex_unlock(&f->lock);
    session_close(&l->session);
    l->ahead.event = NULL;
    l->pace = 1;
}

static pbus_status lane_open(lane *l, pbus_error *err)
{
    feed *f = l->feed;
    bool holds;
    pbus_status status =
        session_open(&l->session, f->cfg->conninfo, feed_session_name(f, "lane").text, 0, err);
    if (status == PBUS_OK)
        status = ledger_holds(&l->session, f->id, f->cfg->application, f->sub->key, &holds, err);
    if (status == PBUS_OK)
        status = ledger_prepare(&l->session, err);
    if (status != PBUS_OK) {
        session_close(&l->session);
        return status;
    }
    pthread_mutex_lock(&f->lock);
    l->cancel = cancel_new(l->session.conn);
    pthread_mutex_unlock(&f->lock);
    return PBUS_OK;
}

static bool lane_try_open(lane *l)
{
    pbus_error err;
    if (lane_open(l, &err) == PBUS_OK)
        return true;
    feed_tell(l->feed, PBUS_NOTICE_DATABASE, NULL, 0, "%s", err.message);
    return false;
}

static void note_search(lane *l, int64_t since_ms)
{
    pthread_mutex_lock(&l->feed->lock);
    l->seeks_session_since_ms = since_ms;
    pthread_mutex_unlock(&l->feed->lock);
}

static void lane_interrupt(lane *l)
{
    PGconn *conn = l->session.conn;
    for (int i = 0; i < CANCEL_TRIES && l->cancel && PQstatus(conn) == CONNECTION_OK && PQisBusy(conn); i++) {
        struct pollfd answer = {.fd = PQsocket(conn), .events = POLLIN};
        cancel_send(l->cancel);
        poll(&answer, 1, CANCEL_MS);
        if (!PQconsumeInput(conn))
            return;
    }
}

pbus_status lane_reopen(lane *l, pbus_error *err)
{
    pbus_error lost;
    if (PQstatus(l->session.conn) == CONNECTION_BAD && session_failure(&l->session, NULL, &lost) != PBUS_OK)
        feed_tell(l->feed, PBUS_NOTICE_DATABASE, NULL, 0, "%s", lost.message);
    lane_interrupt(l);
    lane_close(l);
    feed_lose(l->feed);
    if (feed_is_abandoned(l->feed))
        return failure(err, PBUS_ERROR_CONNECTION, "the worker ends: no further session is opened");
    return lane_open(l, err);
}

/* A session that failed is closed: whatever it was doing is over. */
static void lane_fail(lane *l, const pbus_error *err)
{
    if (l->session.conn || !feed_is_abandoned(l->feed)) /* else it was not opened again, as is right */
        feed_tell(l->feed, PBUS_NOTICE_DATABASE, NULL, 0, "%s", err->message);
    lane_close(l);
    feed_lose(l->feed);
}

static void lane_pause(lane *l)
{
    feed *f = l->feed;
    pthread_mutex_lock(&f->lock);
    int64_t until_ms = feed_now_ms() + RECONNECT_MS;
    while (!f->stopping && feed_now_ms() < until_ms)
        feed_wait(f, &l->has_work, until_ms);
    pthread_mutex_unlock(&f->lock);
}

/* What keeps the first event of a lane from its handler. */
typedef enum lane_state { LANE_READY, LANE_UNWANTED, LANE_WAITS } lane_state;

/* How many of the first can be handled, with their values read; *out_next: what there is to say of the one behind them. */
static size_t lane_n_ready(lane *l, event *const *events, size_t n, lane_state *out_next)
{
    pbus_error err;
    feed *f = l->feed;
    *out_next = LANE_READY;
    for (size_t i = 0; i < n; i++) {
        filter_match match = subscription_wants_at_last(f->sub, events[i], &err);
        if (match == FILTER_OPEN && i == 0 && !feed_is_stopping(f))
            feed_tell(f, PBUS_NOTICE_SCHEMA, events[i], 0, "%s", err.message);
        if (match == FILTER_OPEN || match == FILTER_NO) {
            *out_next = match == FILTER_NO ? LANE_UNWANTED : LANE_WAITS;
            return i;
        }
    }
    return n;
}

/* The claim that came with the last commit is undone: its event is not begun. */
static pbus_status lane_forgo(lane *l, pbus_error *err)
{
    l->ahead.event = NULL;
    return session_execute(&l->session, "ROLLBACK", err);
}

/* Some of n events that are to be handled; *out_n: so many are done. None: it waited a moment for what the first one needs. */
static pbus_status lane_handle(lane *l, size_t from, size_t n, size_t *out_n, pbus_error *err)
{
    lane_state next;
    pbus_status status = PBUS_OK;
    *out_n = 0;
    /* Nobody is asked for a schema in a transaction. */
    if (l->ahead.event && value_read(l->feed->sub->values, l->batch[from], false, err) == VALUE_LATER)
        status = lane_forgo(l, err);
    if (status != PBUS_OK)
        return status;
    size_t n_ready = lane_n_ready(l, l->batch + from, n, &next);
    if (n_ready > 0)
        return batch_read(l, from, n_ready, out_n, err);
    *out_n = next == LANE_UNWANTED;
    if (next == LANE_UNWANTED)
        feed_count(l->feed, &l->feed->counts.n_unwanted);
    else
        lane_pause(l);
    return PBUS_OK;
}

/* What belongs to partitions of before, or is to be read again, is not begun, whatever comes after it; and nothing is once the end has come. */
static void lane_read(lane *l, size_t n)
{
    pbus_error err;
    pbus_status status = PBUS_OK;
    feed *f = l->feed;
    size_t n_past = 0, n_now;
    const event *claimed = l->ahead.event;
    l->n_sure = l->n_singly = 0;
    while (status == PBUS_OK && n_past < n && !feed_is_stopping(f)) {
        event *const *next = l->batch + n_past;
        size_t n_wanted = feed_n_current(f, next, n - n_past);
        if (n_wanted > 0)
            status = lane_handle(l, n_past, n_wanted, &n_now, &err);
        else
            n_now = 1;
        feed_finish(f, next, n_now, n_wanted > 0);
        n_past += n_now;
    }
    if (status == PBUS_OK && claimed && l->ahead.event == claimed) /* it was not begun */
        status = lane_forgo(l, &err);
    if (status != PBUS_OK)
        lane_fail(l, &err);
    feed_finish(f, l->batch + n_past, n - n_past, false);
}

static void lane_due(lane *l)
{
    pbus_error err;
    bool found = false;
    int64_t due_ms = 0;
    feed *f = l->feed;
    pbus_status status = attempt_due(l, &found, &err);
    if (status == PBUS_OK && !found)
        status = ledger_next_due_ms(&l->session, f->id, &due_ms, &err);
    if (status != PBUS_OK) {
        lane_fail(l, &err);
        return;
    }
    if (!found)
        due_ms = due_ms < 0 || due_ms > LOOK_MS ? LOOK_MS : due_ms < LOOK_SOON_MS ? LOOK_SOON_MS : due_ms;
    pthread_mutex_lock(&f->lock);
    f->next_due_ms = feed_now_ms() + (found ? 0 : due_ms);
    if (found)
        lanes_wake_one(f);
    pthread_mutex_unlock(&f->lock);
}

/* For as long as it takes. Without one the lane holds what it was given, and who asks is told that nobody handles it. */
static void lane_seek_session(lane *l)
{
    note_search(l, feed_now_ms());
    while (!feed_is_stopping(l->feed) && !lane_try_open(l))
        lane_pause(l);
    note_search(l, 0);
}

/* With a database nothing waits in memory, so nothing is stale. */
static void in_session(lane *l, lane_work work, size_t n)
{
    feed *f = l->feed;
    if (work == LANE_STALE)
        return;
    if (!l->session.conn)
        lane_seek_session(l);
    if (work == LANE_READ && l->session.conn)
        lane_read(l, n);
    else if (work == LANE_READ)
        feed_finish(f, l->batch, n, false);
    else if (l->session.conn)
        lane_due(l);
}

static void directly(lane *l, lane_work work, size_t n)
{
    if (work == LANE_STALE)
        direct_forget(l);
    else if (work == LANE_DUE)
        direct_due(l);
    else
        for (size_t i = 0; i < n; i++)
            direct_read(l, l->batch[i]);
}

static void *lane_run(void *arg)
{
    lane *l = arg;
    feed *f = l->feed;
    size_t n = 0;
    lane_work work;
    while ((work = lane_next(l, &n)) != LANE_END)
        if (is_direct(l))
            directly(l, work, n);
        else
            in_session(l, work, n);
    lane_close(l);
    pthread_mutex_lock(&f->lock);
    f->n_lanes_running--;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

bool lanes_start(feed *f)
{
    for (int i = 0; i < f->sub->n_threads; i++) {
        pthread_mutex_lock(&f->lock);
        lane *l = &f->lanes[i];
        l->started = pthread_create(&l->thread, NULL, lane_run, l) == 0;
        f->n_lanes_running += l->started;
        pthread_mutex_unlock(&f->lock);
        if (!l->started)
            return false;
    }
    return true;
}

void lanes_join(feed *f)
{
    for (int i = 0; i < f->sub->n_threads; i++)
        if (f->lanes[i].started) {
            pthread_join(f->lanes[i].thread, NULL);
            f->lanes[i].started = false;
        }
}
