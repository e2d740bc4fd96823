/* Drains lanes one page a topic at a time; must never let an event of the topic pass one that is still parked. */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "park_rows.h"
#include "parking.h"
#include "postbus_sql.h"
#include "refusal.h"
#include "stall.h"

void lanes_start(lanes *l, const config *cfg, session *pg, ship *out, settler *sets, struct parking *p,
                 size_t *account)
{
    *l = (lanes){.cfg = cfg, .session = pg, .ship = out, .settler = sets, .parking = p, .account = account};
    session_prepare(pg, "page_parked", sql_query("page_parked"));
    session_prepare(pg, "lane_missing", sql_query("lane_missing"));
    session_prepare(pg, "unpark", sql_query("unpark"));
    session_prepare(pg, "repark", sql_query("repark"));
}

void lanes_load(lanes *l, PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        topic *t = topic_find(&l->ship->topics, PQgetvalue(res, i, 0), (size_t)PQgetlength(res, i, 0));
        if (!t) {
            l->out_of_memory = true;
            break;
        }
        t->lanes = l;
        t->lane_open = t->lane_dirty = t->head_alone = true; /* nobody knows whether the topic is back */
        if (t->state != TOPIC_MISSING) /* else this process knows better than an earlier row */
            t->refusal = refusal_of_topic_named(PQgetvalue(res, i, 2), atoi(PQgetvalue(res, i, 3)));
        t->n_stops = (size_t)strtoull(PQgetvalue(res, i, 1), NULL, 10);
        log_event(LOG_LEVEL_INFO, "lane.open", "topic=%s stopped_at=%zu", t->name, t->n_stops);
    }
    PQclear(res);
}

static void open_lane(lanes *l, topic *t, int refusal)
{
    if (!t->lane_open)
        log_event(LOG_LEVEL_WARN, "lane.open", "topic=%s reason=%s", t->name, refusal_get(refusal).reason);
    t->lanes = l;
    t->lane_open = t->lane_dirty = true;
}

void lanes_open(lanes *l, topic *t)
{
    open_lane(l, t, t->refusal);
    lanes_leave_page(t);
}

void lanes_park(lanes *l, topic *t, row *r, int64_t now_us)
{
    open_lane(l, t, t->refusal);
    t->n_unsettled++;
    r->topic = t;
    r->waits_for = WAITS_TOPIC;
    r->refusal_at = t->n_stops > 0 ? REFUSAL_BEHIND_STOP : t->refusal;
    page_row_done(r->page, r, ROW_PARKED);
    settler_note(l->settler, now_us);
}

void lanes_stop(lanes *l, topic *t, row *r, int refusal, int64_t now_us)
{
    open_lane(l, t, refusal);
    if (t->state != TOPIC_MISSING && !t->stalled)
        t->refusal = REFUSAL_BEHIND_TOPIC; /* why its events waited before is over */
    t->lane_closing = false; /* nor can it, before the event has left: nobody knows when that is */
    t->n_stops++;
    r->topic = t;
    r->waits_for = WAITS_STOP;
    r->refusal_at = refusal;
    if (!r->page->lane) {
        t->n_unsettled++;
        settler_note(l->settler, now_us);
    }
    page_row_done(r->page, r, ROW_PARKED);
}

/* All that showed that the topic has stalled was redriven, or discarded since: it is given time. */
static bool stays_stalled(topic *t)
{
    int64_t until_us = t->stalled ? stalls_held_until(t->lanes->cfg, t) : 0;
    if (clock_now_us() >= until_us)
        return false;
    t->lane_look_at_us = until_us;
    t->lane_dirty = true;
    t->lane_closing = false;
    return true;
}

static void close_if_empty(topic *t)
{
    if (t->n_unsettled == 0 && t->n_parked == t->lane_read_at) {
        if (stays_stalled(t))
            return;
        t->lane_open = t->lane_closing = t->lane_dirty = false;
        topic_resumes(t);
        log_event(LOG_LEVEL_INFO, "lane.closed", "topic=%s", t->name);
        return;
    }
    t->lane_closing = t->lane_dirty = true;
}

void lanes_tell_missing(const char *name, const char *n, const char *first_id)
{
    log_event(LOG_LEVEL_ERROR, "parked.missing", "topic=%s events=%s first=%s remedy=%s", name, n, first_id,
              "they can only be given up: `postbus parked discard`");
}

static int64_t number(const PGresult *res, int column)
{
    return strtoll(PQgetvalue(res, 0, column), NULL, 10);
}

/* Of a page that has rows, or of an empty one. What is not there can neither leave nor hold up what follows. */
static void on_missing(void *arg, PGresult *res)
{
    topic *t = arg;
    t->lane_reading = false;
    if (number(res, 1) > 0)
        lanes_tell_missing(t->name, PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2));
    if (number(res, 3) > t->lane_told_n)
        t->lane_told_n = number(res, 3);
    if (!t->lane_page && number(res, 0) == 0) {
        close_if_empty(t);
    } else if (!t->lane_page) {
        t->lane_after_n = number(res, 4);
        t->lane_dirty = true;
    }
    PQclear(res);
}

static void ask_missing(lanes *l, topic *t)
{
    char after[24], told[24];
    snprintf(after, sizeof after, "%lld", (long long)t->lane_after_n);
    snprintf(told, sizeof told, "%lld", (long long)t->lane_told_n);
    const char *values[] = {t->name, after, told};
    t->lane_reading = true;
    session_execute(l->session, "lane_missing", 3, values, false, on_missing, t);
    session_commit(l->session, NULL, NULL);
}

static bool lacks_some(const topic *t, const page *p)
{
    return page_extra(p, p->n_rows - 1, 1) > p->n_rows && t->lane_page_n > t->lane_told_n;
}

static void on_page(void *arg, PGresult *res)
{
    topic *t = arg;
    t->lane_reading = false;
    page *p = page_new(res);
    if (!p) {
        t->lanes->malformed = true;
    } else if (p->n_rows == 0) {
        page_free(p);
        ask_missing(t->lanes, t);
    } else {
        p->lane = t;
        t->lane_page_n = page_extra(p, p->n_rows - 1, 0);
        page_charge(p, t->head_alone ? &t->lanes->head_bytes : t->lanes->account);
        p->kept = transaction_is_on(&t->lanes->ship->transaction);
        t->lane_page = p;
        t->lane_ship = 0;
        t->lane_left = false;
        t->lane_look_at_us = 0;
        t->lane_closing &=
            !t->head_alone; /* it was empty before anything was settled: now it has a lane to drain */
        if (lacks_some(t, p))
            ask_missing(t->lanes, t);
    }
}

static void ask_page(lanes *l, topic *t)
{
    char rows[16], bytes[24], after[24];
    snprintf(rows, sizeof rows, "%lld", t->head_alone ? 1LL : (long long)l->cfg->page_rows);
    snprintf(bytes, sizeof bytes, "%lld", (long long)l->cfg->page_bytes);
    snprintf(after, sizeof after, "%lld", (long long)t->lane_after_n);
    const char *values[] = {t->name, rows, bytes, after};
    t->lane_reading = true;
    t->lane_dirty = false;
    t->lane_read_at = t->n_parked;
    session_execute(l->session, "page_parked", 4, values, true, on_page, t);
    session_commit(l->session, NULL, NULL);
}

/* Behind one at which the topic stops the rest of the page stays parked as it is. */
static void leave_parked(row *r)
{
    r->waits_for = WAITS_AS_IT_DID;
    page_row_done(r->page, r, ROW_PARKED);
}

/* It is read again. */
static void leave_rest(page *p, int from)
{
    for (int i = from; i < p->n_rows; i++)
        if (p->rows[i].state == ROW_WAITING)
            leave_parked(&p->rows[i]);
}

/* In a transaction, what is sent alone has a page of its own. */
static bool taken_by_parking(const lanes *l, page *p, int i, parking_answer taken)
{
    if (taken == PARKING_ENDS_PAGE)
        leave_rest(p, i);
    else if (p->rows[i].state == ROW_HELD && transaction_is_on(&l->ship->transaction))
        leave_rest(p, i + 1);
    return taken != PARKING_WAITS;
}

/* false: not now. */
static bool send_row(lanes *l, topic *t, int i)
{
    row *r = &t->lane_page->rows[i];
    if (r->state != ROW_WAITING)
        return true;
    if (t->n_stops > 0) {
        leave_parked(r);
        return true;
    }
    parking_answer taken = parking_takes_of_lane(l->parking, t, t->lane_page, i);
    if (taken != PARKING_LEAVES)
        return taken_by_parking(l, t->lane_page, i, taken);
    page_event e = page_read(t->lane_page, i);
    ship_answer answer = ship_row(l->ship, t, r, &e, true);
    return answer == SHIP_SENT || (answer == SHIP_SUSPECT && send_row(l, t, i));
}

/* The topic went away in the middle of a page: what has not left stays parked, and so does what comes back. */
void lanes_leave_page(topic *t)
{
    page *p = t->lane_page;
    t->lane_left = p != NULL;
    if (p)
        leave_rest(p, 0);
}

static void send_rows(lanes *l, topic *t)
{
    page *p = t->lane_page;
    while (t->lane_ship < p->n_rows && send_row(l, t, t->lane_ship))
        t->lane_ship++;
}

static int64_t count_acked(const page *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->n_rows; i++)
        n += p->rows[i].state == ROW_ACKED;
    return n;
}

/* Those that came to wait in a queue while the lane was walked over. */
static size_t count_queued(const page *p)
{
    size_t n = 0;
    for (int i = 0; i < p->n_rows; i++) {
        const row *r = &p->rows[i];
        n += r->state == ROW_PARKED && (r->waits_for == WAITS_OPERATOR || r->waits_for == WAITS_KEY);
    }
    return n;
}

/* postbus.parked.n of the last row, where all of the page have left the lane; else what stayed is to be read again. */
static void note_left(topic *t)
{
    const page *p = t->lane_page;
    for (int i = 0; i < p->n_rows; i++)
        if (p->rows[i].state == ROW_PARKED && p->rows[i].waits_for == WAITS_AS_IT_DID)
            return;
    t->lane_after_n = t->lane_page_n;
}

static void on_unparked(void *arg)
{
    topic *t = arg;
    note_left(t);
    t->lanes->settler->published += count_acked(t->lane_page);
    t->lanes->settler->n_queued -= count_queued(t->lane_page);
    page_free(t->lane_page);
    t->lane_page = NULL;
    t->lane_left = t->lane_unparking = false;
    t->lane_dirty = true;
}

static void unpark(lanes *l, topic *t)
{
    page *p = t->lane_page;
    transaction *x = &l->ship->transaction;
    char *ids = transaction_may_settle(x, t) ? malloc(3 + (size_t)p->n_rows * 21) : NULL;
    if (!ids)
        return;
    char *at = ids;
    *at++ = '{';
    for (int i = 0; i < p->n_rows; i++)
        if (p->rows[i].state == ROW_ACKED)
            at += sprintf(at, at > ids + 1 ? ",%lld" : "%lld", (long long)p->rows[i].id);
    strcpy(at, "}");
    const char *values[] = {ids};
    t->lane_unparking = true;
    transaction_begin_intent(x, l->session, t);
    settler_send_receipts(l->settler, p);
    session_execute(l->session, "unpark", 1, values, false, NULL, NULL);
    if (!park_rows_send(l->session, "repark", p->rows, (size_t)p->n_rows))
        l->malformed = true;
    transaction_commit_parked(x, l->session, t, l->settler->epoch, l->settler->published + count_acked(p),
                              on_unparked, t);
    free(ids);
}

/* Only a lane that drains: nobody knows for how long the first of another one waits, or what it stops at. */
static bool is_closing(const topic *t)
{
    return t->lane_closing && t->state == TOPIC_READY && !t->head_alone && t->n_stops == 0;
}

/* After an empty page: what was being parked meanwhile has to be settled first. */
static bool may_have_rows(const topic *t)
{
    return !t->lane_closing || t->n_unsettled == 0 || (t->head_alone && t->n_parked != t->lane_read_at);
}

/* Nor while a key is about to be let go of: each page may hold events of another one that is blocked, after which nobody knows what is empty. */
static bool may_ask(const lanes *l)
{
    return !l->paused && !l->parking->redrive->closing;
}

static bool is_time(lanes *l, const topic *t)
{
    if (l->now_us >= t->lane_look_at_us || t->n_parked != t->lane_read_at)
        return true;
    if (t->lane_look_at_us < l->until_us)
        l->until_us = t->lane_look_at_us;
    return false;
}

static bool has_room(const lanes *l, const topic *t)
{
    size_t most = (size_t)l->cfg->in_flight_bytes;
    return t->head_alone ? l->head_bytes < most / 4 : *l->account < most;
}

static void step(topic *t, void *arg)
{
    lanes *l = arg;
    if (t->lane_left || (t->lane_open && t->state == TOPIC_MISSING))
        lanes_leave_page(t);
    else if (!t->lane_open || t->state != TOPIC_READY)
        return;
    if (t->lane_page) {
        if (t->lane_page->n_open > 0)
            send_rows(l, t);
        else if (!t->lane_unparking)
            unpark(l, t);
    } else if (t->state == TOPIC_READY && t->n_stops == 0 && may_ask(l) && !t->lane_reading &&
               t->lane_dirty && may_have_rows(t) && has_room(l, t) && is_time(l, t)) {
        ask_page(l, t);
    }
    l->closing |= is_closing(t);
}

int64_t lanes_step(lanes *l, int64_t now_us)
{
    l->closing = false;
    l->now_us = now_us;
    l->until_us = CLOCK_NEVER;
    topic_table_each(&l->ship->topics, step, l);
    return l->until_us;
}

void lanes_rewind(topic *t)
{
    if (t->lane_page)
        page_rewind(t->lane_page, 0);
    t->lane_ship = 0;
}

static void leave_head(topic *t, void *arg)
{
    (void)arg;
    if (t->head_alone && t->lane_page)
        lanes_leave_page(t);
}

void lanes_recall(lanes *l)
{
    topic_table_each(&l->ship->topics, leave_head, NULL);
    ship_recall_alone(l->ship);
}

typedef struct idleness {
    bool except_stalled, idle;
} idleness;

static void look_whether_idle(topic *t, void *arg)
{
    idleness *i = arg;
    bool waits = i->except_stalled && t->stalled && t->lane_page && t->lane_page->n_open > 0;
    i->idle &= (!t->lane_page || waits) && !t->lane_reading && !t->lane_unparking;
}

bool lanes_are_idle(lanes *l, bool except_stalled)
{
    idleness i = {.except_stalled = except_stalled, .idle = true};
    topic_table_each(&l->ship->topics, look_whether_idle, &i);
    return i.idle;
}

typedef struct id_list {
    char *text;
    size_t size;
} id_list;

static void add_ids(topic *t, void *arg)
{
    id_list *list = arg;
    const page *p = t->lane_page;
    char *bigger = p && list->text ? realloc(list->text, list->size + (size_t)p->n_rows * 21 + 2) : NULL;
    if (!p || !list->text)
        return;
    if (!bigger)
        free(list->text);
    list->text = bigger;
    for (int i = 0; bigger && i < p->n_rows; i++)
        list->size +=
            (size_t)sprintf(bigger + list->size, list->size > 1 ? ",%lld" : "%lld", (long long)p->rows[i].id);
}

char *lanes_in_flight(lanes *l)
{
    id_list list = {.text = malloc(3)};
    if (list.text)
        list.text[list.size++] = '{';
    topic_table_each(&l->ship->topics, add_ids, &list);
    if (list.text)
        memcpy(list.text + list.size, "}", 2);
    return list.text;
}

static void finish(topic *t, void *arg)
{
    lanes *l = arg;
    if (t->lane_page)
        lanes_leave_page(t);
    if (t->lane_page && t->lane_page->n_open == 0 && !t->lane_unparking)
        unpark(l, t);
    l->unparking |= t->lane_unparking;
}

bool lanes_finish(lanes *l)
{
    l->unparking = false;
    topic_table_each(&l->ship->topics, finish, l);
    return l->unparking;
}
