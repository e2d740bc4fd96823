/* Handles many events in one transaction while all goes well, and one by one where it did not; must never commit where one of them failed. */
#include "batch.h"

#include "attempt.h"
#include "failure.h"

/* What the handlers of a transaction should take at most: so long are its locks held, and so long does the event wait that came first. The commit does not
 * count: where that is slow, batches are worth most. */
enum { AIM_MS = 100 };

typedef struct batch {
    lane *l;
    event *const *events;
    claim_state *states;
    size_t n;
    char xid[LEDGER_XID_SIZE];
    uint64_t n_handled, n_duplicates, n_behind;
} batch;

/* How a transaction ended. */
typedef enum batch_end {
    BATCH_COMMITTED,
    BATCH_FAULT,   /* one event is at fault, and nothing is left of it all */
    BATCH_REFUSED, /* none of them in particular is */
    BATCH_SESSION, /* the session is not to be used again */
} batch_end;

/* By one call. true: handled. Else the transaction is to be undone. */
static bool handle(batch *b, event *const *events, size_t n)
{
    attempt a = {.l = b->l, .e = events[0]};
    for (size_t i = 0; i < n; i++)
        events[i]->view.attempt = 1;
    bool handled = attempt_call(&a, events, n);
    for (size_t i = 0; i < n; i++)
        events[i]->handled = handled;
    b->n_handled += n;
    return handled && !feed_is_abandoned(b->l->feed);
}

/* An event that is not to be handled, or not now. */
static batch_end put_by(batch *b, size_t i, pbus_error *err)
{
    lane *l = b->l;
    event *e = b->events[i];
    bool behind = true;
    const char *error, *unfit = attempt_unfit(e, b->states[i], &error);
    pbus_status status = unfit
                             ? attempt_bury(l, e, unfit, error, err)
                             : ledger_set_aside(&l->session, l->feed->id, e, true, 0, 0, NULL, &behind, err);
    if (status != PBUS_OK)
        return status == PBUS_ERROR_CONNECTION ? BATCH_SESSION : BATCH_FAULT;
    b->n_behind += !unfit && behind;
    if (!behind && !handle(b, &b->events[i], 1)) /* what it was behind is gone meanwhile */
        return BATCH_FAULT;
    return BATCH_COMMITTED;
}

static bool is_plain(const batch *b, size_t i)
{
    return b->states[i] == CLAIM_NEW && !b->events[i]->unreadable;
}

/* Where the handler takes many, nobody knows which of them made it fail. */
static batch_end handle_plain(batch *b, size_t *out_i)
{
    size_t n = 0;
    bool takes_many = b->l->feed->sub->batch_handler != NULL;
    for (size_t i = 0; i < b->n; i++) {
        *out_i = i;
        if (is_plain(b, i) && takes_many)
            b->l->plain[n++] = b->events[i];
        else if (is_plain(b, i) && !handle(b, &b->events[i], 1))
            return BATCH_FAULT;
    }
    return n == 0 || handle(b, b->l->plain, n) ? BATCH_COMMITTED : BATCH_REFUSED;
}

/* Those that are set aside come last: they lock what waits of their keys until the end. No event overtakes another by that: those of one key are all behind,
 * or none of them is. *out_i: the one at fault. */
static batch_end handle_all(batch *b, size_t *out_i, pbus_error *err)
{
    batch_end end = handle_plain(b, out_i);
    for (size_t i = 0; end == BATCH_COMMITTED && i < b->n; i++) {
        *out_i = i;
        if (b->states[i] == CLAIM_DUPLICATE)
            b->n_duplicates++;
        else if (!is_plain(b, i))
            end = put_by(b, i, err);
    }
    return end;
}

static void account(batch *b)
{
    feed *f = b->l->feed;
    tally_moment now = tally_now();
    for (size_t i = 0; i < b->n; i++)
        if (b->events[i]->handled)
            tally_note_handled(&b->l->tally, b->events[i], now);
    pthread_mutex_lock(&f->lock);
    f->counts.n_handled += b->n_handled;
    f->counts.n_duplicates += b->n_duplicates;
    f->counts.n_behind += b->n_behind;
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < b->n; i++) {
        const char *error, *unfit = attempt_unfit(b->events[i], b->states[i], &error);
        if (unfit && b->states[i] != CLAIM_DUPLICATE)
            attempt_tell_buried(b->l, b->events[i], unfit, error);
    }
}

/* One transaction with all of them. */
static batch_end run(batch *b, size_t *out_i, pbus_error *err)
{
    lane *l = b->l;
    for (size_t i = 0; i < b->n; i++)
        b->events[i]->handled = false; /* what an earlier try did was undone */
    pbus_status status = ledger_begin_claims(&l->session, l->feed->id, b->events, b->n,
                                             l->feed->sub->time_limit_ms, b->states, b->xid, err);
    if (status != PBUS_OK)
        return sqlstate_is_transient(err->sqlstate) ? BATCH_REFUSED : BATCH_SESSION;
    int64_t began_ms = feed_now_ms();
    batch_end end = handle_all(b, out_i, err);
    l->handling_ms = feed_now_ms() - began_ms;
    if (end != BATCH_COMMITTED)
        return end;
    status = ledger_commit(&l->session, b->xid, NULL, attempt_limits(l) | LEDGER_BATCH, err);
    if (status != PBUS_OK)
        return status == PBUS_ERROR_CONNECTION ? BATCH_SESSION : BATCH_REFUSED;
    account(b);
    return BATCH_COMMITTED;
}

/* After a failure: what came before the event at fault once more, as it was good; that event by itself; and then smaller batches. */
static pbus_status fall_back(batch *b, batch_end end, size_t i, pbus_error *err)
{
    lane *l = b->l;
    attempt a = {.l = l, .e = b->events[0]};
    l->n_sure = end == BATCH_FAULT ? i : 0;
    l->n_singly = end == BATCH_FAULT ? 1 : b->n;
    l->pace = l->pace > 1 ? l->pace / 2 : 1;
    pbus_status status = attempt_undo(&a, err);
    if (status == PBUS_OK && feed_is_abandoned(l->feed))
        return failure(err, PBUS_ERROR_BUSY, "the worker was stopped before the handlers returned");
    return status;
}

/* A handler for many has one limit for all of them, and its batches double: they stay well below, or every other one would be undone. */
static int64_t aim_ms(const subscription *sub)
{
    int64_t share_ms = sub->batch_handler && sub->time_limit_ms ? sub->time_limit_ms / 4 : AIM_MS;
    return share_ms < AIM_MS ? share_ms : AIM_MS;
}

/* Grows while whole batches are handled in good time, and shrinks where they take longer. Not over duplicates: where a handler has killed the session all
 * is read again, a little further each time, until the one at fault comes by itself; what was done before must not carry it into a batch. */
static void adapt(lane *l, size_t n, bool all_handled)
{
    size_t most = (size_t)l->feed->sub->batch_size;
    if (l->handling_ms > aim_ms(l->feed->sub))
        l->pace = n > 1 ? n / 2 : 1;
    else if (all_handled && n >= l->pace)
        l->pace = l->pace * 2 < most ? l->pace * 2 : most;
}

/* A death is one event's only where that is handled by itself; and so is an attempt of before. */
static size_t n_undoubted(const lane *l, event *const *events, size_t n)
{
    size_t i = 0;
    while (i < n && !events[i]->doubted && !owed_has(&l->owed, events[i]))
        i++;
    return i ? i : 1;
}

static size_t choose(const lane *l, event *const *events, size_t n)
{
    size_t most = l->n_sure ? l->n_sure : l->n_singly ? 1 : n;
    return n_undoubted(l, events, n < most ? n : most);
}

static void note_done(lane *l, size_t n)
{
    if (l->n_sure)
        l->n_sure -= n < l->n_sure ? n : l->n_sure;
    else if (l->n_singly)
        l->n_singly--;
}

static pbus_status read_one(lane *l, event *e, size_t *out_n, pbus_error *err)
{
    attempt_end end;
    l->handling_ms = 0; /* a duplicate has none */
    pbus_status status = attempt_read(l, e, &end, err);
    *out_n = status == PBUS_OK && end != ATTEMPT_OWED;
    note_done(l, 1);
    if (status == PBUS_OK)
        adapt(l, 1, end == ATTEMPT_HANDLED);
    return status;
}

pbus_status batch_read(lane *l, size_t from, size_t n, size_t *out_n, pbus_error *err)
{
    size_t at_fault = 0;
    n = choose(l, l->batch + from, n);
    if (n == 1)
        return read_one(l, l->batch[from], out_n, err);
    batch b = {.l = l, .events = l->batch + from, .states = l->states, .n = n};
    batch_end end = run(&b, &at_fault, err);
    *out_n = end == BATCH_COMMITTED ? n : 0;
    if (end == BATCH_SESSION)
        return err->status;
    if (end != BATCH_COMMITTED)
        return fall_back(&b, end, at_fault, err);
    note_done(l, n);
    adapt(l, n, b.n_handled == n);
    return PBUS_OK;
}
