/* Keeps the state of the open transaction; must never commit one before its intent is durable, nor take a record of another owner into it. */
#include "transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "postbus_sql.h"
#include "refusal.h"

#define MOST_ROWS ((size_t)1 << 40)
#define BACKOFF_LEAST_US 100000
#define BACKOFF_MOST_US 5000000

static const char nobody; /* owner while it is empty */

static void become_ready(transaction *t)
{
    t->state = TRANSACTION_READY;
    t->owner = &nobody;
    t->alone = t->failed = t->has_undo = false;
    t->topic = t->first_topic = NULL;
    t->n_rows = t->n_bytes = 0;
    t->refusal = -1;
}

void transaction_start(transaction *t, rd_kafka_t *rk, const char *id, int event_fd)
{
    uint64_t n_committed = t->n_committed, n_aborted = t->n_aborted;
    *t = (transaction){.owner = &nobody,
                       .most_rows = t->most_rows ? t->most_rows : MOST_ROWS,
                       .backoff_us = BACKOFF_LEAST_US,
                       .refusal = -1,
                       .n_committed = n_committed,
                       .n_aborted = n_aborted};
    t->coordinator = coordinator_new(rk, id, event_fd);
    if (!t->coordinator) {
        t->state = TRANSACTION_LOST;
        snprintf(t->reason, sizeof t->reason, "no thread, or no memory");
        return;
    }
    t->state = TRANSACTION_STARTING;
    coordinator_ask(t->coordinator, COORDINATOR_START, NULL);
}

transaction_ending transaction_end(transaction *t)
{
    transaction_ending ending = TRANSACTION_HAD_NONE;
    if (t->coordinator)
        ending = coordinator_end(t->coordinator) ? TRANSACTION_ENDED : TRANSACTION_ENDS_LATER;
    t->coordinator = NULL;
    t->state = TRANSACTION_NONE;
    return ending;
}

/* ---- records ---- */

bool transaction_takes(const transaction *t, const row *r, int64_t now_us)
{
    if (t->state == TRANSACTION_READY)
        return now_us >= t->resume_at_us;
    if (t->state != TRANSACTION_OPEN || t->failed || t->owner != r->page->lane)
        return false;
    if (r->page->lane)
        return !r->alone || t->n_in_flight == 0;
    return !t->alone && !r->alone && t->n_rows < t->most_rows;
}

void transaction_sent(transaction *t, const row *r, struct topic *of, int64_t now_us)
{
    if (t->state == TRANSACTION_READY) {
        t->state = TRANSACTION_OPEN;
        t->owner = r->page->lane;
        t->alone = !r->page->lane && r->alone;
        t->topic = t->first_topic = of;
        t->opened_us = now_us;
    }
    if (t->topic != of)
        t->topic = NULL;
    t->n_rows++;
    t->n_in_flight++;
    t->n_bytes += r->page->bytes / (size_t)r->page->n_rows;
}

void transaction_reported(transaction *t, bool ok, int refusal)
{
    if (t->n_in_flight > 0)
        t->n_in_flight--;
    t->failed |= !ok;
    if (refusal >= 0)
        t->refusal = refusal;
}

/* ---- intents ---- */

void transaction_prepare(session *pg)
{
    static const char *const names[] = {"intent", "intend", "intend_parked", "confirm", "forget_undo"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        session_prepare(pg, names[i], sql_query(names[i]));
}

/* Whether records of this owner are in the transaction. */
static bool holds(const transaction *t, const void *owner)
{
    return t->state >= TRANSACTION_OPEN && t->state < TRANSACTION_LOST && t->owner == owner;
}

bool transaction_may_settle(const transaction *t, const void *owner)
{
    if (!holds(t, owner))
        return t->state != TRANSACTION_LOST;
    return t->state <= TRANSACTION_CLOSING && !t->failed && t->n_in_flight == 0;
}

static void forget_undo(transaction *t, session *pg)
{
    const char *values[] = {t->undo};
    if (t->undo[0])
        session_execute(pg, "forget_undo", 1, values, false, NULL, NULL);
    t->undo[0] = '\0';
}

void transaction_begin_intent(transaction *t, session *pg, const void *owner)
{
    if (!holds(t, owner))
        return;
    forget_undo(t, pg);
    session_execute(pg, "intent", 0, NULL, false, NULL, NULL);
}

void transaction_on_intended(void *arg, PGresult *res)
{
    transaction *t = arg;
    t->next = (coordinator_position){.known = true, .n = strtoll(PQgetvalue(res, 0, 0), NULL, 10)};
    snprintf(t->next.stamp, sizeof t->next.stamp, "%s", PQgetvalue(res, 0, 1));
    snprintf(t->intent, sizeof t->intent, "%s", PQgetvalue(res, 0, 2));
    PQclear(res);
}

static void on_intent_committed(void *arg)
{
    transaction *t = arg;
    failpoint("after_intent");
    coordinator_ask(t->coordinator, COORDINATOR_COMMIT, &t->next);
}

static void commit(transaction *t, session *pg, bool has_undo, session_committed_cb *cb, void *arg)
{
    if (t->state == TRANSACTION_OPEN)
        t->closed_us = clock_now_us();
    t->state = TRANSACTION_IN_DOUBT;
    t->has_undo = has_undo;
    t->on_committed = cb;
    t->on_committed_arg = arg;
    failpoint("before_intent");
    session_commit(pg, on_intent_committed, t);
}

void transaction_commit_flow(transaction *t, session *pg, bool has_undo, session_committed_cb *cb, void *arg)
{
    commit(t, pg, has_undo, cb, arg);
}

void transaction_commit_parked(transaction *t, session *pg, const void *owner, int64_t epoch,
                               int64_t published, session_committed_cb *cb, void *arg)
{
    if (!holds(t, owner)) {
        session_commit(pg, cb, arg);
        return;
    }
    char numbers[3][24];
    snprintf(numbers[0], sizeof numbers[0], "%lld", (long long)epoch);
    snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)published);
    snprintf(numbers[2], sizeof numbers[2], "%lld", (long long)(t->position.known ? t->position.n : 0));
    const char *values[] = {numbers[0], numbers[1], numbers[2]};
    session_execute(pg, "intend_parked", 3, values, false, transaction_on_intended, t);
    commit(t, pg, true, cb, arg);
}

static void on_confirmed(void *arg)
{
    transaction *t = arg;
    t->confirming = false;
}

void transaction_confirm(transaction *t, session *pg, int64_t epoch)
{
    char number[24];
    const char *values[] = {number};
    snprintf(number, sizeof number, "%lld", (long long)epoch);
    forget_undo(t, pg);
    session_execute(pg, "confirm", 1, values, false, NULL, NULL);
    session_commit(pg, on_confirmed, t);
    t->unconfirmed = false;
    t->confirming = true;
}

/* ---- its end ---- */

void transaction_abort(transaction *t)
{
    t->state = TRANSACTION_ABORTING;
    t->n_aborted++;
    coordinator_ask(t->coordinator, COORDINATOR_ABORT, NULL);
}

static void lose(transaction *t, const coordinator_answer *a)
{
    t->state = TRANSACTION_LOST;
    t->fenced |= a->fenced;
    t->err = a->err;
    snprintf(t->reason, sizeof t->reason, "%s", a->reason);
}

static void committed(transaction *t, int64_t settle_us, int64_t now_us)
{
    t->n_committed++;
    t->position = t->next;
    if (t->has_undo)
        memcpy(t->undo, t->intent, sizeof t->undo);
    t->unconfirmed = true;
    t->confirm_at_us = now_us + settle_us;
    t->close_us = now_us - t->closed_us;
    t->backoff_us = BACKOFF_LEAST_US;
    if (t->most_rows < MOST_ROWS)
        t->most_rows *= 2;
    become_ready(t);
    t->on_committed(t->on_committed_arg);
}

/* Of a refusal the halves are tried, down to one record; anything else is tried again in a while. */
static void draw_conclusions(transaction *t, int64_t now_us)
{
    if (t->refusal < 0) {
        t->resume_at_us = now_us + t->backoff_us;
        t->backoff_us = t->backoff_us * 2 > BACKOFF_MOST_US ? BACKOFF_MOST_US : t->backoff_us * 2;
    } else if (!t->owner && t->n_rows > 1) {
        t->most_rows = t->n_rows / 2;
    }
}

static void take_answer(transaction *t, const coordinator_answer *a, int64_t settle_us, int64_t now_us)
{
    if (t->state == TRANSACTION_ABORTING && t->refusal < 0)
        t->refusal = refusal_of(a->cause);
    if (!a->ok) {
        draw_conclusions(t, now_us);
        lose(t, a);
    } else if (t->state == TRANSACTION_STARTING) {
        t->position = a->position;
        become_ready(t);
    } else if (t->state == TRANSACTION_IN_DOUBT) {
        committed(t, settle_us, now_us);
    }
}

bool transaction_step(transaction *t, int64_t settle_us, int64_t now_us)
{
    coordinator_answer a;
    if (!t->coordinator)
        return false;
    if (coordinator_answered(t->coordinator, &a)) {
        take_answer(t, &a, settle_us, now_us);
        t->abort_answered = t->state == TRANSACTION_ABORTING;
    }
    if (t->state != TRANSACTION_ABORTING || !t->abort_answered || t->n_in_flight > 0)
        return false;
    t->abort_answered = false;
    draw_conclusions(t, now_us);
    return true;
}

void transaction_rewound(transaction *t)
{
    become_ready(t);
}
