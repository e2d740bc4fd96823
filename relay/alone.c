/* Sends rows one by one where their order allows; must never have two of one key in flight, nor one while an earlier one is elsewhere. */
#include "alone.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "key_set.h"
#include "refusal.h"

#define MOST_IN_FLIGHT 64
#define RETRY_US 100000
/* A partition that lacks replicas fails each key at once: thousands would keep its broker busy with nothing else. But none waits for longer than
 * the most, since what it holds up may be well by then. */
#define RETRIES_APART_US 500
#define RETRY_MOST_US 1000000
#define LOOK_AGAIN_US 10000 /* at what waits for its topic, or for what is before it */
#define UNCLEAR_LEAST                                                                                        \
    5            /* refusals of one record in lane_timeout_ms, before they count as more than bad luck */
#define MANY 256 /* rows: more than that are not worth a request each, where they can leave together */

struct alone_entry {
    alone_entry *next;
    topic *topic;
    row *row;
};

struct alone_key {
    alone_key *next_in_slot, *next; /* the other: in the line it stands in */
    uint64_t hash;
    alone_entry *first, **end;
    bool in_flight;
    bool rests; /* its first row, or one that was given back, failed a moment ago */
    int64_t retry_at_us;
    bool counted; /* of those in flight at once; not where the topic has stalled */
    int flight;   /* the slot of its topic's flights */
    doubt doubt;  /* of its first row */
};

static void clear(alone_line *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void stand_in(alone_line *l, alone_key *k)
{
    k->next = NULL;
    *l->end = k;
    l->end = &k->next;
}

static alone_key *take_first(alone_line *l)
{
    alone_key *k = l->first;
    l->first = k->next;
    if (!l->first)
        l->end = &l->first;
    return k;
}

void alone_start(alone *a, ship *out, batch_queue *queue)
{
    alone_drop(a);
    a->ship = out;
    a->queue = queue;
    a->last_retry_us = 0;
    a->stopping = false;
}

static alone_key **slot_of(const alone *a, uint64_t hash)
{
    size_t n = sizeof a->slots / sizeof a->slots[0];
    return (alone_key **)&a->slots[hash % n];
}

static alone_key *find(const alone *a, uint64_t hash)
{
    alone_key *k = *slot_of(a, hash);
    while (k && k->hash != hash)
        k = k->next_in_slot;
    return k;
}

static void forget_key(alone *a, alone_key *k)
{
    alone_key **at = slot_of(a, k->hash);
    while (*at != k)
        at = &(*at)->next_in_slot;
    *at = k->next_in_slot;
    free(k);
}

static row *pop(alone *a, alone_key *k)
{
    alone_entry *e = k->first;
    row *r = e->row;
    k->first = e->next;
    k->doubt = (doubt){0};
    if (!k->first)
        k->end = &k->first;
    free(e);
    r->alone = false;
    a->n--;
    return r;
}

/* Its first row is dealt with. */
static void go_on(alone *a, alone_key *k)
{
    if (k->first)
        stand_in(&a->ready, k);
    else
        forget_key(a, k);
}

/* Others go on meanwhile. Each comes behind the last one, so that the line is in the order of its times. */
static void rest(alone *a, alone_key *k, int64_t now_us)
{
    int64_t at_us = a->last_retry_us + RETRIES_APART_US;
    if (at_us < now_us + RETRY_US)
        at_us = now_us + RETRY_US;
    if (at_us > now_us + RETRY_MOST_US)
        at_us = now_us + RETRY_MOST_US;
    k->retry_at_us = a->last_retry_us = at_us;
    k->rests = true;
    stand_in(&a->resting, k);
}

static void wake(alone *a, int64_t now_us)
{
    while (a->resting.first && a->resting.first->retry_at_us <= now_us) {
        alone_key *k = take_first(&a->resting);
        k->rests = false;
        go_on(a, k);
    }
}

void alone_drop(alone *a)
{
    for (size_t i = 0; i < sizeof a->slots / sizeof a->slots[0]; i++)
        while (a->slots[i]) {
            alone_key *k = a->slots[i];
            while (k->first)
                pop(a, k);
            forget_key(a, k);
        }
    clear(&a->ready);
    clear(&a->resting);
    a->n = a->n_in_flight = 0;
    a->returned = false;
    memset(a->given_back, 0, sizeof a->given_back);
}

uint64_t alone_hash(const row *r, const page_event *e)
{
    if (!e->key.data)
        return key_hash("", 0, (const char *)&r, sizeof r);
    return key_hash(e->topic, e->topic_size, e->key.data, e->key.size);
}

static page_event event_of(const row *r)
{
    return page_read(r->page, (int)(r - r->page->rows));
}

static alone_key *key_of(const alone *a, const row *r)
{
    page_event e = event_of(r);
    return find(a, alone_hash(r, &e));
}

bool alone_has(const alone *a, uint64_t hash)
{
    return a->n > 0 && find(a, hash);
}

static alone_key *new_key(alone *a, uint64_t hash)
{
    alone_key *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->hash = hash;
    k->end = &k->first;
    k->next_in_slot = *slot_of(a, hash);
    *slot_of(a, hash) = k;
    stand_in(&a->ready, k);
    return k;
}

static void keep_doubt(alone *a, const doubt *d)
{
    size_t most = sizeof a->given_back / sizeof a->given_back[0];
    if (d->n_refusals > 0)
        a->given_back[a->n_given_back++ % most] = *d;
}

/* Producers that are renewed more often than lane_timeout_ms must not put off the verdict for ever. */
static doubt take_doubt(alone *a, const row *r)
{
    doubt found = {0};
    size_t most = sizeof a->given_back / sizeof a->given_back[0];
    for (size_t i = 0; i < most && !r->page->lane; i++)
        if (a->given_back[i].n_refusals > 0 && a->given_back[i].id == r->id) {
            found = a->given_back[i];
            a->given_back[i] = (doubt){0};
        }
    return found;
}

bool alone_add(alone *a, topic *t, row *r, uint64_t hash)
{
    alone_entry *e = calloc(1, sizeof *e);
    alone_key *k = e ? find(a, hash) : NULL;
    if (e && !k)
        k = new_key(a, hash);
    if (!k) {
        free(e);
        return false;
    }
    *e = (alone_entry){.topic = t, .row = r};
    if (!k->first)
        k->doubt = take_doubt(a, r);
    *k->end = e;
    k->end = &e->next;
    r->state = ROW_HELD;
    r->alone = true;
    a->n++;
    return true;
}

/* Rows before it are acknowledged, parked or here: what waits here is behind nothing that the other producer has. */
static void move_clear(batch_queue *q)
{
    row *r;
    while ((r = batch_cursor_row(&q->clear)) &&
           (r->state == ROW_ACKED || r->state == ROW_PARKED || r->alone)) {
        r->clear = true;
        q->clear.i++;
    }
}

static void note_sent(alone *a, alone_key *k)
{
    const alone_entry *first = k->first;
    k->in_flight = true;
    k->flight = first->row->flight;
    k->counted = !first->topic->stalled;
    a->n_in_flight += k->counted;
}

static void note_back(alone *a, alone_key *k)
{
    k->in_flight = false;
    a->n_in_flight -= k->counted;
}

/* The first ready key's: taken from it, unless nothing of it can leave now. */
static ship_answer send_first(alone *a, alone_key *k)
{
    alone_entry *first = k->first;
    row *r = first->row;
    topic *t = first->topic;
    if (!r->page->lane && !r->clear)
        return SHIP_LATER;
    page_event e = event_of(r);
    if (a->aside(a->arg, t, r, &e, k->hash)) {
        pop(a, take_first(&a->ready));
        go_on(a, k);
        return SHIP_PARK;
    }
    ship_answer answer = ship_alone(a->ship, t, r, &e);
    if (answer == SHIP_WAIT || answer == SHIP_LATER)
        return answer;
    take_first(&a->ready);
    if (answer == SHIP_SENT) {
        note_sent(a, k);
        return answer;
    }
    pop(a, k);
    uint64_t hash = k->hash;
    int refusal = r->refusal_at;
    go_on(a, k);
    a->refused(a->arg, t, r, hash, refusal);
    return answer;
}

static bool has_to_stay(const alone_key *k)
{
    for (const alone_entry *e = k->first; e; e = e->next)
        if (e->row->suspect || e->row->page->lane || e->topic->doubted)
            return true;
    return false;
}

static void give_back_row(row *r)
{
    r->state = ROW_WAITING;
    r->clear = false; /* what is before it may leave with the other producer now, too */
}

/* The first ready key's: all leave with the others again, by the other producer. */
static void return_first(alone *a)
{
    alone_key *k = take_first(&a->ready);
    while (k->first)
        give_back_row(pop(a, k));
    forget_key(a, k);
    a->queue->clear = a->queue->settled;
    a->returned = true;
}

/* What came to be here because its topic was doubted, or behind what was suspect, and is many by now. */
static bool first_returns(const alone *a)
{
    return a->n >= MANY && !a->stopping && !has_to_stay(a->ready.first);
}

/* A key that cannot go on now makes room for the next, once around. */
static void send_ready(alone *a)
{
    move_clear(a->queue);
    bool in_transactions = transaction_is_on(&a->ship->transaction);
    size_t most = in_transactions ? 1 : MOST_IN_FLIGHT;
    alone_key *first_left = NULL;
    while (a->ready.first && a->n_in_flight < most && a->ready.first != first_left) {
        alone_key *k = a->ready.first;
        if (!in_transactions && first_returns(a)) {
            return_first(a);
            continue;
        }
        ship_answer answer = send_first(a, k);
        if (answer == SHIP_WAIT && !in_transactions) /* else it may be of another transaction than the next */
            return;
        if (answer != SHIP_LATER && answer != SHIP_WAIT)
            continue;
        if (!first_left)
            first_left = k;
        stand_in(&a->ready, take_first(&a->ready));
    }
}

int64_t alone_step(alone *a, int64_t now_us)
{
    wake(a, now_us);
    if (a->n > 0)
        send_ready(a);
    if (a->returned)
        return now_us;
    int64_t until_us = a->resting.first ? a->resting.first->retry_at_us : CLOCK_NEVER;
    bool looks_again =
        a->ready.first && a->n_in_flight == 0; /* else a report comes, and then there is room */
    return looks_again && until_us > now_us + LOOK_AGAIN_US ? now_us + LOOK_AGAIN_US : until_us;
}

bool alone_goes_on(const alone *a)
{
    return a->returned || a->ready.first || (a->resting.first && a->n > 0) || a->n_in_flight > 0;
}

static bool is_redriven(const row *r, const topic *t)
{
    return r->page->lane && r->page->lane != t;
}

void alone_acked(alone *a, row *r)
{
    alone_key *k = key_of(a, r);
    note_back(a, k);
    topic *t = k->first->topic;
    flights_answered(&t->flights, k->flight, a->ship->now_us);
    flights_took(&t->flights, r->partition, k->doubt.n_refusals == 0 && !is_redriven(r, t));
    topic_takes(t);
    t->doubted &= a->ship->now_us < t->doubted_until_us;
    pop(a, k);
    go_on(a, k);
}

static void note_unclear(doubt *d, const flights *f, const row *r, int64_t now_us)
{
    int32_t partition = r->partition;
    const answers *there = flights_answers(f, partition);
    if (d->n_refusals == 0)
        *d = (doubt){.id = r->id,
                     .since_us = now_us,
                     .partition = partition,
                     .there = there ? *there : (answers){0},
                     .all = f->all};
    d->n_refusals++;
    d->roams |= partition != d->partition;
}

static bool took_more_than_it_refused(const answers *then, const answers *now)
{
    return now && now->n_took - then->n_took > now->n_refused - then->n_refused;
}

/* Of the records that came since for the first time: to its partition, or to any, where it went to several itself. What one partition has counted says nothing of
 * another. */
static bool takes_others(const doubt *d, const flights *f)
{
    if (d->roams)
        return took_more_than_it_refused(&d->all, &f->all);
    return took_more_than_it_refused(&d->there, flights_answers(f, d->partition));
}

/* Without a key it may go elsewhere the next time: nothing is to be expected only where all partitions refuse. */
static bool takes_nothing(const doubt *d, const flights *f, const row *r, int64_t until_us)
{
    bool may_go_elsewhere = d->roams || event_of(r).key.size == 0;
    const answers *by = may_go_elsewhere ? &f->all : flights_answers(f, r->partition);
    return by && by->refused_since_us > 0 && by->refused_since_us <= until_us;
}

/* Of its topic nothing waits in the lane, and nothing came beside what was redriven, which is not counted. */
static bool only_redriven_tell(const doubt *d, const row *r, const topic *t)
{
    return is_redriven(r, t) && !t->lane_open && d->all.n_took == t->flights.all.n_took &&
           d->all.n_refused == t->flights.all.n_refused;
}

/* What a broker refuses again and again while its partition takes others is to blame itself; else its topic is, which waits in order, and for no
 * person: at once where nothing has been taken for that long, whichever record finds it out. -1: it is too early to tell. What leads a lane that
 * waits already has no time of its own. Where only what was redriven tells of the topic, the person who redrove it hears again. */
static int judge(const alone *a, alone_key *k, const row *r, int unclear, int64_t now_us)
{
    topic *t = k->first->topic;
    doubt *d = &k->doubt;
    int64_t until_us = now_us - a->ship->cfg->lane_timeout_ms * 1000;
    flights_refused(&t->flights, r->partition, d->n_refusals == 0 && !is_redriven(r, t), now_us);
    note_unclear(d, &t->flights, r, now_us);
    topic_doubt(t, now_us);
    bool early = d->n_refusals < UNCLEAR_LEAST || d->since_us > until_us;
    if (only_redriven_tell(d, r, t))
        return early ? -1 : unclear;
    if ((t->head_alone && r->page->lane == t) || takes_nothing(d, &t->flights, r, until_us))
        return refusal_of_whole_topic(unclear);
    if (early)
        return -1;
    return takes_others(d, &t->flights) ? unclear : refusal_of_whole_topic(unclear);
}

/* What is taken back with its producer has not been tried: that begins nothing anew. */
static void note_failed(const alone *a, alone_key *k, const row *r, bool answered)
{
    topic *t = k->first->topic;
    if (answered) {
        flights_answered(&t->flights, k->flight, a->ship->now_us);
        return;
    }
    flights_failed(&t->flights, k->flight, a->ship->now_us);
    if (a->ship->taken_back)
        return;
    flights_forget_refusals(&t->flights, r->partition);
    k->doubt = (doubt){0};
}

void alone_failed(alone *a, row *r, int refusal, int64_t now_us)
{
    alone_key *k = key_of(a, r);
    topic *t = k->first->topic;
    uint64_t hash = k->hash;
    note_back(a, k);
    note_failed(a, k, r, refusal >= 0);
    if (refusal_is_unclear(refusal))
        refusal = judge(a, k, r, refusal, now_us);
    if (refusal < 0) {
        r->state = ROW_HELD;
        r->suspect = true;
        rest(a, k, now_us);
        return;
    }
    pop(a, k);
    go_on(a, k);
    a->refused(a->arg, t, r, hash, refusal);
}

static bool stays(const alone_key *k, const alone_entry *e)
{
    return e->row->page->lane || (k->in_flight && e == k->first);
}

static void give_back(alone *a, alone_key *k)
{
    alone_entry **at = &k->first;
    while (*at) {
        alone_entry *e = *at;
        if (stays(k, e)) {
            at = &e->next;
            continue;
        }
        if (e == k->first) {
            keep_doubt(a, &k->doubt);
            k->doubt = (doubt){0};
        }
        *at = e->next;
        give_back_row(e->row);
        e->row->alone = false;
        free(e);
        a->n--;
    }
    k->end = at;
}

/* What rests stays where it is, without its rows too: they come again, and must not be sent any sooner for that. */
void alone_rewind(alone *a)
{
    clear(&a->ready);
    for (size_t i = 0; i < sizeof a->slots / sizeof a->slots[0]; i++)
        for (alone_key *k = a->slots[i], *next; k; k = next) {
            next = k->next_in_slot;
            give_back(a, k);
            if (!k->in_flight && !k->rests)
                go_on(a, k);
        }
    a->queue->clear = a->queue->settled;
}

bool alone_has_returned(alone *a)
{
    bool has = a->returned;
    a->returned = false;
    return has;
}
