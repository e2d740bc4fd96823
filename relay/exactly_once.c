/* Ends transactions: when, with which intent, and what after; must never leave a doubt behind it when it begins to lead. */
#include "exactly_once.h"

#include <string.h>

#include "clock.h"
#include "postbus_sql.h"
#include "refusal.h"

#define TELL_AFTER_US 10000000
#define PAGE_MOST_US                                                                                         \
    5000000 /* a page of parked events of which something cannot leave must not keep the others */
/* A transaction stays open for this many times as long as the last one took to end, so that ending costs a fifth at most. */
#define ENDING_SHARE 4

static transaction *open_one(relay *y)
{
    return &y->ship.transaction;
}

/* ---- the doubt ---- */

static void on_in_doubt(void *arg, PGresult *res)
{
    relay *y = arg;
    if (PQntuples(res) != 1 || PQgetisnull(res, 0, 1)) {
        relay_refuse(y, "postbus.progress or postbus.identity has no row",
                     "restore the rows that `postbus migrate` and the relays wrote");
    } else {
        y->resolving = y->cfg->delivery == DELIVERY_EXACTLY_ONCE || PQgetvalue(res, 0, 0)[0] == 't';
        snprintf(y->ship.transactional_id, sizeof y->ship.transactional_id, "postbus-%s",
                 PQgetvalue(res, 0, 1));
    }
    PQclear(res);
}

static void on_in_doubt_known(void *arg)
{
    relay *y = arg;
    if (relay_gives_up(y))
        return;
    y->resolving_since_us = clock_now_us();
    if (!y->resolving) {
        relay_lead(y);
        return;
    }
    lease_answered(&y->lease);
    gate_open(y->ship.gate, y->lease.until_us);
}

void exactly_once_resolve(relay *y)
{
    char lease_ms[24];
    const char *values[] = {lease_ms};
    snprintf(lease_ms, sizeof lease_ms, "%lld", (long long)y->cfg->lease_ms);
    y->ship.transactional = y->resolve_sent = false;
    session_query(y->session, sql_query("lease"), 1, values, false, NULL, NULL);
    session_query(y->session, sql_query("in_doubt"), 0, NULL, false, on_in_doubt, y);
    session_commit(y->session, on_in_doubt_known, y);
}

static void log_outcome(relay *y, const char *outcome, const char *n)
{
    const coordinator_position *p = &open_one(y)->position;
    if (strcmp(outcome, "guessed") == 0)
        log_event(LOG_LEVEL_WARN, "intent.guessed", "n=%s kafka_n=%lld reason=%s", n,
                  p->known ? (long long)p->n : 0,
                  "Kafka does not tell whether its events were published; they are published again");
    else if (strcmp(outcome, "certain") != 0)
        log_event(LOG_LEVEL_INFO, "intent.resolved", "n=%s outcome=%s", n, outcome);
}

static void on_resolved(void *arg, PGresult *res)
{
    relay *y = arg;
    const char *outcome = PQgetvalue(res, 0, 0), *n = PQgetvalue(res, 0, 1);
    if (strcmp(outcome, "unknown") != 0) {
        log_outcome(y, outcome, n);
        PQclear(res);
        return;
    }
    const coordinator_position *p = &open_one(y)->position;
    log_event(LOG_LEVEL_ERROR, "intent.unknown", "n=%s kafka_group=%s kafka_n=%lld", n,
              y->ship.transactional_id, p->known ? (long long)p->n : 0);
    PQclear(res);
    relay_refuse(
        y,
        "Kafka and this database do not agree on the last transaction: the database lacks commits, or "
        "the position of the relay's group was removed",
        "see the runbook; `postbus rebase` publishes again what this database does not know to be published");
}

static void on_doubt_gone(void *arg)
{
    relay *y = arg;
    if (relay_gives_up(y))
        return;
    y->resolving = false;
    if (y->cfg->delivery != DELIVERY_EXACTLY_ONCE) {
        ship_reset(&y->ship, 0, clock_now_us());
        y->ship.transactional = false;
    }
    lease_ask(&y->lease, clock_now_us());
    relay_lead(y);
}

static void send_resolve(relay *y)
{
    const coordinator_position *p = &open_one(y)->position;
    char n[24];
    snprintf(n, sizeof n, "%lld", (long long)p->n);
    const char *values[] = {p->known ? n : NULL, p->known ? p->stamp : NULL,
                            y->cfg->delivery == DELIVERY_EXACTLY_ONCE ? "f" : "t"};
    y->resolve_sent = true;
    session_query(y->session, sql_query("resolve"), 3, values, false, on_resolved, y);
    session_commit(y->session, on_doubt_gone, y);
}

static const char *remedy_for(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return "allow the relay WRITE and DESCRIBE on its transactional id";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "allow the relay READ on its group";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "allow the relay READ on the topic __consumer_offsets";
    default:
        return "see the brokers' log";
    }
}

/* What may not be written to, brokers take into no transaction. Of several topics one that is found innocent later is tried again like the guilty one. */
static bool blame_topic(const transaction *t, int64_t now_us)
{
    if (t->err != RD_KAFKA_RESP_ERR_INVALID_TXN_STATE || t->refusal < 0 || !refusal_get(t->refusal).of_topic)
        return false;
    if (t->topic || t->owner)
        topic_denied(t->topic ? t->topic : t->first_topic, t->refusal, now_us);
    return true;
}

/* What no topic is to blame for may well happen again: one record is enough to find that out, and the pause before it must grow. */
static void lead_in_vain(relay *y)
{
    y->led_in_vain = true;
    open_one(y)->most_rows = 1;
}

static void lead_to_some_avail(relay *y)
{
    y->led_in_vain = false;
    y->backoff_us = RELAY_RECONNECT_LEAST_US;
}

/* Nobody here can end the transaction: another leader can, and this relay when it leads anew. */
static void give_up(relay *y)
{
    transaction *t = open_one(y);
    const char *why = y->ship.broken ? y->ship.reason : t->reason;
    if (y->ship.broken && !t->fenced)
        log_event(LOG_LEVEL_ERROR, "producer.recreated", "reason=%s", why);
    else if (t->fenced)
        log_event(LOG_LEVEL_WARN, "producer.fenced", "transactional_id=%s reason=%s",
                  y->ship.transactional_id, why);
    else
        log_event(LOG_LEVEL_ERROR, "transaction.lost", "transactional_id=%s reason=%s remedy=%s",
                  y->ship.transactional_id, why, remedy_for(t->err));
    if (!blame_topic(t, clock_now_us()) && y->state == RELAY_LEADING)
        lead_in_vain(y);
    relay_lose_session(y, t->fenced ? "its producer was fenced" : "a transaction could not be ended");
}

/* What an abort that is under way finds out is waited for: it says whose fault the loss is. */
static bool is_lost(relay *y)
{
    const transaction *t = open_one(y);
    bool finds_out = t->state == TRANSACTION_ABORTING && !t->abort_answered;
    return t->state == TRANSACTION_LOST || (y->ship.broken && !finds_out);
}

static void tell_of_waiting(relay *y, int64_t now_us)
{
    if (now_us < y->resolving_since_us + TELL_AFTER_US)
        return;
    y->resolving_since_us = now_us;
    log_event(LOG_LEVEL_WARN, "transaction.waiting", "transactional_id=%s reason=%s",
              y->ship.transactional_id, rd_kafka_err2str(coordinator_waits_for(open_one(y)->coordinator)));
}

int64_t exactly_once_resolve_step(relay *y, int64_t now_us)
{
    transaction *t = open_one(y);
    if (y->resolve_sent)
        return CLOCK_NEVER;
    y->ship.transactional = true;
    transaction_step(t, 0, now_us);
    if (y->ship.producer && is_lost(y)) {
        give_up(y);
        return now_us;
    }
    if (!relay_keep_lease(y, now_us))
        return now_us;
    if (!ship_start(&y->ship, now_us))
        return relay_gives_way(y) ? now_us : y->ship.restart_at_us;
    if (t->state == TRANSACTION_READY)
        send_resolve(y);
    else if (t->coordinator)
        tell_of_waiting(y, now_us);
    return lease_ask_at(&y->lease) < y->lease.until_us ? lease_ask_at(&y->lease) : y->lease.until_us;
}

void exactly_once_start(relay *y)
{
    y->queue.keeps_pages = y->settler.held = y->cfg->delivery == DELIVERY_EXACTLY_ONCE;
    if (y->queue.keeps_pages)
        transaction_prepare(y->session);
}

/* ---- ending ---- */

static void on_flow_settled(void *arg)
{
    relay *y = arg;
    settler_committed(&y->settler);
}

/* All records of the transaction must be within what progress will cover, and all that progress covers within the transaction. */
static void intend_flow(relay *y)
{
    transaction *t = open_one(y);
    settler *s = &y->settler;
    transaction_begin_intent(t, y->session, NULL);
    if (!settler_intend(s, t->position.known ? t->position.n : 0, transaction_on_intended, t))
        return; /* out of memory: the session ends, and with it what was sent */
    if (s->n_target_published != t->n_rows) {
        y->reader.fault = strdup("a transaction and the progress that goes with it differ");
        return;
    }
    transaction_commit_flow(t, y->session, s->n_target_rows > s->n_target_published, on_flow_settled, y);
}

static bool should_close(const relay *y, bool more, int64_t now_us)
{
    const transaction *t = &y->ship.transaction;
    int64_t open_us = ENDING_SHARE * t->close_us, settle_us = y->cfg->settle_ms * 1000;
    if (t->owner)
        return false;
    if (t->alone || t->n_rows >= t->most_rows || (t->n_in_flight == 0 && !more))
        return true;
    return t->n_bytes >= (size_t)y->cfg->in_flight_bytes / 2 ||
           now_us >= t->opened_us + (open_us > settle_us ? open_us : settle_us);
}

static void rewind_all(relay *y)
{
    transaction *t = open_one(y);
    const void *owner = t->owner;
    int refusal = t->refusal;
    log_event(LOG_LEVEL_INFO, "transaction.aborted", "records=%zu reason=%s", t->n_rows,
              refusal < 0 ? "a record failed" : refusal_get(refusal).reason);
    if (refusal >= 0 && refusal_get(refusal).of_topic && t->topic)
        topic_refused(&y->ship.topics, t->topic, refusal, clock_now_us());
    if (owner == &y->redrive)
        redrive_rewind(&y->redrive);
    else if (owner)
        lanes_rewind((topic *)(uintptr_t)owner);
    if (!owner) {
        alone_rewind(&y->parking.alone);
        batch_queue_undo(&y->queue);
        hand_over_rewind(&y->hand_over);
    }
    transaction_rewound(t);
}

static void end_open(relay *y, bool more, int64_t now_us)
{
    transaction *t = open_one(y);
    bool stuck = t->owner && t->n_in_flight == 0 && now_us >= t->opened_us + PAGE_MOST_US;
    if (t->failed || stuck) {
        transaction_abort(t);
        return;
    }
    if (t->state == TRANSACTION_OPEN && should_close(y, more, now_us)) {
        t->state = TRANSACTION_CLOSING;
        t->closed_us = now_us;
    }
    if (t->state == TRANSACTION_CLOSING && t->n_in_flight == 0 && !y->settler.under_way)
        intend_flow(y);
}

/* Nothing is inside a transaction: what is parked can be settled by itself, and the last intent be confirmed. */
static int64_t settle_ready(relay *y, bool at_once, int64_t now_us)
{
    transaction *t = open_one(y);
    int64_t until_us = settler_step(&y->settler, at_once ? now_us + y->cfg->settle_ms * 1000 : now_us);
    if (!t->unconfirmed)
        return until_us;
    if (!at_once && now_us < t->confirm_at_us)
        return until_us < t->confirm_at_us ? until_us : t->confirm_at_us;
    transaction_confirm(t, y->session, y->epoch);
    return until_us;
}

int64_t exactly_once_step(relay *y, bool more, int64_t now_us)
{
    transaction *t = open_one(y);
    transaction_state before = t->state;
    if (transaction_step(t, y->cfg->settle_ms * 1000, now_us))
        rewind_all(y);
    if (is_lost(y)) {
        give_up(y);
        return now_us;
    }
    y->settler.held = t->state != TRANSACTION_READY;
    if (t->state == TRANSACTION_OPEN || t->state == TRANSACTION_CLOSING)
        end_open(y, more, now_us);
    if (t->state == TRANSACTION_OPEN)
        return now_us + y->cfg->settle_ms * 1000;
    if (t->state != TRANSACTION_READY)
        return CLOCK_NEVER;
    if (before == TRANSACTION_IN_DOUBT)
        lead_to_some_avail(y);
    if (before != TRANSACTION_READY)
        return now_us; /* what was kept back can leave */
    int64_t until_us = settle_ready(y, false, now_us);
    return t->resume_at_us > now_us && t->resume_at_us < until_us ? t->resume_at_us : until_us;
}

bool exactly_once_finish(relay *y, int64_t now_us)
{
    transaction *t = open_one(y);
    if (t->state == TRANSACTION_NONE)
        return false;
    exactly_once_step(y, false, now_us);
    if (y->state != RELAY_LEADING)
        return false;
    if (t->state == TRANSACTION_OPEN && t->owner &&
        t->n_in_flight == 0) /* the rest of its page will not be sent */
        transaction_abort(t);
    if (t->state == TRANSACTION_READY && !y->settler.under_way)
        settle_ready(y, true, now_us);
    return t->state != TRANSACTION_READY || t->unconfirmed || t->confirming;
}
