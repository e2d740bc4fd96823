/* Holds, parks and blocks rows by the policy of their topic; must never let a row pass an earlier one of its key that is parked. */
#include "parking.h"

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "refusal.h"
#include "stall.h"

#define RECORD_BYTES 200     /* what a record and its request are more than key, value and headers, at most */
#define LOG_EVERY_US 1000000 /* refused events that come faster are counted, not listed */

static bool aside(void *arg, topic *t, row *r, const page_event *e, uint64_t hash);
static void refused(void *arg, topic *t, row *r, uint64_t hash, int refusal);

void parking_start(parking *p, const config *cfg, ship *out, settler *sets, lanes *l, struct redrive *rd,
                   batch_queue *queue)
{
    parking_drop(p);
    p->cfg = cfg;
    p->settler = sets;
    p->lanes = l;
    p->redrive = rd;
    alone_start(&p->alone, out, queue);
    p->alone.aside = aside;
    p->alone.refused = refused;
    p->alone.arg = p;
}

void parking_drop(parking *p)
{
    alone_drop(&p->alone);
    key_set_done(&p->blocked);
    p->out_of_memory = false;
}

/* A topic's limits tell what its broker would refuse, or might: compression can make it fit. */
static bool is_suspect(const topic *t, row *r, const page_event *e)
{
    size_t size = e->value.size + e->key.size + e->headers.size + e->type.size + RECORD_BYTES;
    r->suspect |= (t->max_bytes > 0 && size > (size_t)t->max_bytes) || (t->compacted && !e->key.data);
    return r->suspect || t->doubted;
}

static void park(parking *p, row *r, row_waits waits_for, uint64_t queue, int refusal)
{
    r->waits_for = (uint8_t)waits_for;
    r->queue = queue;
    r->refusal_at = refusal;
    bool of_flow = r->page->lane == NULL;
    page_row_done(r->page, r, ROW_PARKED);
    p->n_marks++;
    p->settler->n_queued++;
    if (of_flow)
        settler_note(p->settler, clock_now_us());
}

static void hold(parking *p, topic *t, row *r, uint64_t hash)
{
    if (!alone_add(&p->alone, t, r, hash))
        p->out_of_memory = true;
}

bool parking_takes(parking *p, topic *t, row *r, const page_event *e)
{
    if (t->lane_open || t->state != TOPIC_READY)
        return false;
    bool suspect = is_suspect(t, r, e);
    if (!suspect && p->blocked.n == 0 && p->alone.n == 0)
        return false;
    uint64_t hash = alone_hash(r, e);
    if (e->key.data && key_set_has(&p->blocked, hash))
        park(p, r, WAITS_KEY, hash, REFUSAL_BEHIND_KEY);
    else if (suspect || alone_has(&p->alone, hash))
        hold(p, t, r, hash);
    else
        return false;
    return true;
}

/* ---- lanes ---- */

static bool some_are_sent(const page *p, int before, bool alone_too)
{
    for (int i = 0; i < before; i++)
        if (p->rows[i].state == ROW_SENT ? alone_too || !p->rows[i].alone
                                         : alone_too && p->rows[i].state == ROW_HELD)
            return true;
    return false;
}

parking_answer parking_takes_of_lane(parking *p, topic *t, page *lane_page, int i)
{
    row *r = &lane_page->rows[i];
    page_event e = page_read(lane_page, i);
    bool suspect = is_suspect(t, r, &e) || t->head_alone;
    if (!suspect && p->blocked.n == 0 && p->alone.n == 0)
        return PARKING_LEAVES;
    uint64_t hash = alone_hash(r, &e);
    if (e.key.data && key_set_has(&p->blocked, hash)) {
        park(p, r, WAITS_KEY, hash, REFUSAL_BEHIND_KEY);
        return PARKING_TAKES;
    }
    if (!suspect && !alone_has(&p->alone, hash))
        return PARKING_LEAVES;
    /* Its refusal aborts the transaction, and what was acknowledged before it would be sent again behind it. */
    if (i > 0 && transaction_is_on(&p->alone.ship->transaction))
        return PARKING_ENDS_PAGE;
    if (some_are_sent(lane_page, i, t->head_alone))
        return PARKING_WAITS;
    hold(p, t, r, hash);
    return PARKING_TAKES;
}

/* ---- what was sent alone ---- */

/* The lane walks over its page once more, and leaves it: later ones of this key may be here still, and must not pass it. */
static void back_to_lane(topic *t, row *r)
{
    r->state = ROW_WAITING;
    lanes_leave_page(t);
}

static bool aside_from_lane(parking *p, topic *t, row *r, const page_event *e, uint64_t hash)
{
    if (e->key.data && key_set_has(&p->blocked, hash))
        park(p, r, WAITS_KEY, hash, REFUSAL_BEHIND_KEY);
    else if (t->lane_left || t->state == TOPIC_MISSING || t->n_stops > 0 || p->alone.stopping)
        back_to_lane(t, r);
    else
        return false;
    return true;
}

static bool aside_from_flow(parking *p, topic *t, row *r, const page_event *e, uint64_t hash)
{
    if (t->lane_open || t->state == TOPIC_MISSING)
        lanes_park(p->lanes, t, r, clock_now_us());
    else if (e->key.data && key_set_has(&p->blocked, hash))
        park(p, r, WAITS_KEY, hash, REFUSAL_BEHIND_KEY);
    else
        return false;
    return true;
}

static bool aside(void *arg, topic *t, row *r, const page_event *e, uint64_t hash)
{
    parking *p = arg;
    if (!r->page->lane)
        return aside_from_flow(p, t, r, e, hash);
    if (r->page->lane == p->redrive)
        return redrive_keeps(p->redrive, t, r, p->alone.stopping);
    return aside_from_lane(p, t, r, e, hash);
}

static void log_refused(parking *p, const topic *t, const row *r, int refusal)
{
    int64_t now_us = clock_now_us();
    p->n_refused++;
    if (p->logged_us > 0 && now_us < p->logged_us + LOG_EVERY_US) {
        p->n_unlogged++;
        return;
    }
    log_event(LOG_LEVEL_WARN, "event.parked", "topic=%s id=%lld reason=%s code=%d not_logged=%llu remedy=%s",
              t->name, (long long)r->id, refusal_get(refusal).reason, (int)refusal_get(refusal).err,
              (unsigned long long)p->n_unlogged, "postbus parked list");
    p->logged_us = now_us;
    p->n_unlogged = 0;
}

static bool has_key(const row *r)
{
    return page_read(r->page, (int)(r - r->page->rows)).key.data != NULL;
}

static void park_refused(parking *p, topic *t, row *r, uint64_t hash, int refusal)
{
    park_policy policy = config_park_policy(p->cfg, t->name);
    if (policy == PARK_STOP) {
        lanes_stop(p->lanes, t, r, refusal, clock_now_us());
        return;
    }
    bool blocks = policy == PARK_BLOCK_KEY && has_key(r);
    if (blocks && !key_set_add(&p->blocked, hash))
        p->out_of_memory = true;
    park(p, r, WAITS_OPERATOR, blocks ? hash : 0, refusal);
}

static void refused(void *arg, topic *t, row *r, uint64_t hash, int refusal)
{
    parking *p = arg;
    failpoint("after_refusal");
    if (refusal_get(refusal).of_topic)
        topic_refused(&p->alone.ship->topics, t, refusal, clock_now_us());
    else
        log_refused(p, t, r, refusal);
    if (r->page->lane == p->redrive && refusal_get(refusal).of_topic)
        redrive_keeps(p->redrive, t, r, true);
    else if (r->page->lane == p->redrive)
        redrive_refused(p->redrive, t, r, refusal);
    else if (!refusal_get(refusal).of_topic)
        park_refused(p, t, r, hash, refusal);
    else if (r->page->lane)
        back_to_lane(t, r);
    else
        lanes_park(p->lanes, t, r, clock_now_us());
}

static void lane_acked(const parking *p, topic *t, const row *r)
{
    t->refusal_logged = false;
    if (t->stalled && !stalls_over(p->cfg, t, r->partition, clock_now_us()))
        return;
    if (t->stalled)
        log_event(LOG_LEVEL_INFO, "topic.resumed", "topic=%s", t->name);
    topic_resumes(t);
}

void parking_acked(parking *p, row *r)
{
    void *lane = r->page->lane;
    if (lane && lane != p->redrive) {
        topic *t = lane;
        lane_acked(p, t, r);
    }
    alone_acked(&p->alone, r);
}

void parking_failed(parking *p, row *r, int refusal, int64_t now_us)
{
    alone_failed(&p->alone, r, refusal, now_us);
}
