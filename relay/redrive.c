/* Sends parked events again in their order, a page at a time; must never let go of a key while an event of it is parked. */
#include "redrive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failpoint.h"
#include "lane.h"
#include "log.h"
#include "park_rows.h"
#include "parking.h"
#include "postbus_sql.h"

#define LOOK_EVERY_US 10000000 /* operators also ring; this is for a ring that was lost with its session */
#define PAUSE_US 1000000       /* after a page of which nothing could leave */
#define DISCARD_PAUSE_MOST_US                                                                                \
    30000000 /* lanes stand still while a discard is tried: one that waits for an event on the wire must not hold them up all the time */
#define RECALL_US 300000 /* for what the producer has not sent yet; what is on the wire can take for ever */
#define WATCH_US 100000
#define STALLED_MOST_US                                                                                      \
    5000000 /* a topic that has stalled may be back: a leader that is far away needs a few round trips */
#define MOST_QUEUES 1000
#define QUEUES_PAGE 10000 /* as queues.sql has it */
#define MOST_ROWS 1000

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum page_column { EXTRA_STOPS = 9, EXTRA_HELD };

void redrive_start(redrive *rd, const config *cfg, session *pg, topic_table *topics, struct parking *p,
                   struct lanes *l, settler *sets, size_t *account)
{
    redrive_drop(rd);
    *rd = (redrive){.cfg = cfg,
                    .session = pg,
                    .topics = topics,
                    .parking = p,
                    .lanes = l,
                    .settler = sets,
                    .account = account,
                    .look = true,
                    .most_rows = MOST_ROWS,
                    .discard_pause_us = PAUSE_US,
                    .n_redriven = rd->n_redriven};
    static const char *const names[] = {"wishes",       "discard",     "redrive_stale",
                                        "redrive_page", "redriven",    "queues_empty",
                                        "queues",       "redrive_end", "late"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        session_prepare(pg, names[i], sql_query(names[i]));
}

static void drop_page(redrive *rd)
{
    page_free(rd->page);
    free(rd->rows);
    rd->page = NULL;
    rd->rows = NULL;
    key_set_done(&rd->ended);
}

void redrive_drop(redrive *rd)
{
    drop_page(rd);
    key_set_done(&rd->active);
    rd->under_way = rd->closing = false;
    rd->recall_until_us = 0;
    rd->after_n = 0;
    rd->fault = NULL;
}

static void add(redrive *rd, key_set *set, uint64_t queue)
{
    if (queue && !key_set_add(set, queue))
        rd->fault = "out of memory";
}

void redrive_ask_queues(redrive *rd, int64_t after, session_result_cb *cb, void *arg)
{
    char text[24];
    const char *values[] = {text};
    snprintf(text, sizeof text, "%lld", (long long)after);
    session_execute(rd->session, "queues", 1, values, false, cb, arg);
}

/* A queue whose first event does not wait for an operator was being drained when the last leader ended. */
int64_t redrive_load(redrive *rd, PGresult *res)
{
    int n = PQntuples(res);
    int64_t last = INT64_MAX;
    for (int i = 0; i < n; i++) {
        last = strtoll(PQgetvalue(res, i, 0), NULL, 10);
        add(rd, &rd->parking->blocked, (uint64_t)last);
        if (PQgetvalue(res, i, 1)[0] == 'f')
            add(rd, &rd->active, (uint64_t)last);
    }
    PQclear(res);
    return n < QUEUES_PAGE ? INT64_MAX : last;
}

/* ---- wishes ---- */

/* All wishes have been looked at once: those that are left could not be fulfilled. */
static void end_round(redrive *rd)
{
    rd->look = true;
    rd->after_n = 0;
    if (!rd->round_moved)
        rd->next_us = clock_now_us() + PAUSE_US;
    rd->round_moved = false;
}

/* The next attempt is at once, and those after it are a second apart at first. */
static void hurry_discards(redrive *rd)
{
    rd->discard_at_us = 0;
    rd->discard_pause_us = PAUSE_US;
}

/* An operator may have deleted the last one while it was carried out. */
static void no_discards(redrive *rd)
{
    hurry_discards(rd);
    rd->lanes->paused = false;
    rd->recall_until_us = 0;
}

static void on_wishes(void *arg, PGresult *res)
{
    redrive *rd = arg;
    rd->under_way = false;
    rd->wants_redrive = PQgetvalue(res, 0, 0)[0] == 't';
    if (!rd->wants_redrive && rd->after_n > 0)
        end_round(rd);
    rd->wants_discard = PQgetvalue(res, 0, 1)[0] == 't';
    if (!rd->wants_discard)
        no_discards(rd);
    PQclear(res);
}

void redrive_wake(redrive *rd)
{
    rd->look = true;
    hurry_discards(rd);
}

static void look(redrive *rd, int64_t now_us)
{
    rd->look = false;
    rd->look_at_us = now_us + LOOK_EVERY_US;
    rd->under_way = true;
    char after[24];
    snprintf(after, sizeof after, "%lld", (long long)rd->after_n);
    const char *values[] = {after};
    session_execute(rd->session, "wishes", 1, values, false, on_wishes, rd);
    session_commit(rd->session, NULL, NULL);
}

static void on_discarded(void *arg, PGresult *res)
{
    redrive *rd = arg;
    for (int i = 0; i < PQntuples(res); i++) {
        if (!PQgetisnull(res, i, 0))
            add(rd, &rd->active, (uint64_t)strtoll(PQgetvalue(res, i, 0), NULL, 10));
        if (!PQgetisnull(res, i, 2))
            rd->n_taken = strtoll(PQgetvalue(res, i, 2), NULL, 10);
        if (PQgetisnull(res, i, 1))
            continue;
        topic *t = topic_find(rd->topics, PQgetvalue(res, i, 1), (size_t)PQgetlength(res, i, 1));
        if (t && t->n_stops > 0)
            t->n_stops--;
    }
    PQclear(res);
}

/* Those that are wished are on their way. */
static void put_off_discards(redrive *rd)
{
    rd->discard_at_us = clock_now_us() + rd->discard_pause_us;
    rd->discard_pause_us = earlier(2 * rd->discard_pause_us, DISCARD_PAUSE_MOST_US);
}

static void on_discards_committed(void *arg)
{
    redrive *rd = arg;
    rd->under_way = rd->lanes->paused = false;
    rd->recall_until_us = 0;
    rd->wants_discard = false;
    rd->look = true;
    if (rd->n_taken == 0)
        put_off_discards(rd);
    else
        hurry_discards(rd);
    failpoint("after_discard");
}

/* Only while no page of parked events is in memory: what is discarded must not be on its way to a broker. The first of a lane may be with the producer for
 * as long as its topic is away: it is taken back. What is on the wire stays out of it, until it comes back or is published. */
static void discard(redrive *rd, int64_t now_us)
{
    rd->lanes->paused = true;
    if (rd->recall_until_us == 0) {
        rd->recall_until_us = now_us + RECALL_US;
        lanes_recall(rd->lanes);
    }
    if (!lanes_are_idle(rd->lanes, now_us >= rd->recall_until_us) ||
        rd->parking->alone.ship->transaction.state ==
            TRANSACTION_IN_DOUBT) /* it may park what is discarded */
        return;
    char *in_flight = lanes_in_flight(rd->lanes);
    if (!in_flight)
        return;
    const char *values[] = {in_flight};
    rd->under_way = true;
    session_execute(rd->session, "late", 0, NULL, false, NULL, NULL);
    session_execute(rd->session, "discard", 1, values, false, on_discarded, rd);
    session_commit(rd->session, on_discards_committed, rd);
    free(in_flight);
}

/* ---- a page ---- */

/* {1,2}; the caller frees it. NULL: no memory. From slot active_at on and around; active_next: behind the last one. */
static char *queue_array(redrive *rd, size_t most)
{
    const key_set *set = &rd->active;
    size_t n = set->n < most ? set->n : most;
    char *text = malloc(3 + 21 * n), *at = text;
    if (!text)
        return NULL;
    *at++ = '{';
    for (size_t i = 0; i < set->n_slots && n > 0; i++) {
        uint64_t queue = set->slots[(rd->active_at + i) & (set->n_slots - 1)];
        rd->active_next = rd->active_at + i + 1;
        if (queue) {
            at += sprintf(at, at > text + 1 ? ",%lld" : "%lld", (long long)(int64_t)queue);
            n--;
        }
    }
    strcpy(at, "}");
    return text;
}

static void leave_parked(row *r)
{
    r->waits_for = WAITS_AS_IT_DID;
    page_row_done(r->page, r, ROW_PARKED);
}

static void read_extra(redrive *rd, const page *p, int i)
{
    redrive_row *x = &rd->rows[i];
    page_event e = page_read(p, i);
    *x = (redrive_row){.topic = topic_find(rd->topics, e.topic, e.topic_size),
                       .queue = (uint64_t)page_extra(p, i, 0),
                       .stops = PQgetvalue(p->result, i, EXTRA_STOPS)[0],
                       .held = PQgetvalue(p->result, i, EXTRA_HELD)[0]};
    if (!x->topic)
        rd->fault = "out of memory";
}

/* All rows go to be sent alone at once: those of a key one after the other, and those of different keys together. */
static void give_out(redrive *rd, page *p)
{
    for (int i = 0; i < p->n_rows; i++)
        read_extra(rd, p, i);
    for (int i = 0; i < p->n_rows && !rd->fault; i++) {
        row *r = &p->rows[i];
        if (rd->rows[i].held)
            add(rd, &rd->ended, rd->rows[i].queue);
        if (rd->rows[i].held || key_set_has(&rd->ended, rd->rows[i].queue)) {
            key_set_remove(&rd->active, rd->rows[i].queue);
            leave_parked(r);
            continue;
        }
        page_event e = page_read(p, i);
        if (!alone_add(&rd->parking->alone, rd->rows[i].topic, r, alone_hash(r, &e)))
            rd->fault = "out of memory";
    }
}

static void on_page(void *arg, PGresult *res)
{
    redrive *rd = arg;
    rd->under_way = false;
    page *p = page_new(res);
    rd->rows = p ? calloc((size_t)p->n_rows + 1, sizeof *rd->rows) : NULL;
    if (!p || !rd->rows) {
        page_free(p);
        rd->fault = "a page of parked events is not of the expected form";
        return;
    }
    p->lane = rd;
    p->kept = transaction_is_on(&rd->parking->alone.ship->transaction);
    page_charge(p, rd->account);
    rd->page = p;
    give_out(rd, p);
}

typedef struct topic_list {
    char *text; /* {a,b} once it is closed; NULL: no memory */
    size_t size, capacity;
    int64_t now_us;
} topic_list;

static void add_if_away(topic *t, void *arg)
{
    topic_list *l = arg;
    size_t length = strlen(t->name);
    if (!topic_is_away(t, l->now_us) || !l->text)
        return;
    if (l->size + length + 5 > l->capacity) {
        l->capacity = 2 * l->capacity + length + 5;
        char *bigger = realloc(l->text, l->capacity);
        if (!bigger)
            free(l->text);
        l->text = bigger;
    }
    if (l->text)
        l->size += (size_t)sprintf(l->text + l->size, l->size > 1 ? ",\"%s\"" : "\"%s\"", t->name);
}

/* Topics that take nothing now, as an array; the caller frees it. Quoted: a topic may be called null. */
static char *topics_away(redrive *rd)
{
    topic_list l = {.text = malloc(256), .capacity = 256, .now_us = clock_now_us()};
    if (l.text)
        l.text[l.size++] = '{';
    topic_table_each(rd->topics, add_if_away, &l);
    if (l.text)
        memcpy(l.text + l.size, "}", 2);
    return l.text;
}

static void on_end(void *arg, PGresult *res)
{
    redrive *rd = arg;
    rd->end_n = PQgetisnull(res, 0, 0) ? 0 : strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
}

static void ask_page(redrive *rd)
{
    char rows[24], bytes[24], after[24];
    int64_t n_rows = rd->cfg->page_rows < rd->most_rows ? rd->cfg->page_rows : rd->most_rows;
    char *queues = queue_array(rd, (size_t)n_rows), *away = topics_away(rd);
    if (!queues || !away) {
        free(queues);
        free(away);
        return;
    }
    snprintf(after, sizeof after, "%lld", (long long)rd->after_n);
    snprintf(rows, sizeof rows, "%lld", (long long)n_rows);
    snprintf(bytes, sizeof bytes, "%lld", (long long)rd->cfg->page_bytes);
    const char *values[] = {queues, rows, bytes, after, away}, *from[] = {after, rows};
    rd->under_way = true;
    session_execute(rd->session, "redrive_end", 2, from, false, on_end, rd);
    session_execute(rd->session, "redrive_page", 5, values, true, on_page, rd);
    session_commit(rd->session, NULL, NULL);
    free(queues);
    free(away);
}

bool redrive_keeps(redrive *rd, topic *t, row *r, bool stopping)
{
    const redrive_row *x = &rd->rows[r - r->page->rows];
    bool ended = x->queue && key_set_has(&rd->ended, x->queue);
    if (!ended && !stopping && !topic_is_away(t, clock_now_us()))
        return false;
    add(rd, &rd->ended, x->queue);
    leave_parked(r);
    return true;
}

void redrive_refused(redrive *rd, topic *t, row *r, int refusal)
{
    const redrive_row *x = &rd->rows[r - r->page->rows];
    add(rd, &rd->ended, x->queue);
    key_set_remove(&rd->active, x->queue);
    r->refusal_at = refusal;
    r->waits_for = x->stops ? WAITS_STOP : WAITS_OPERATOR;
    if (x->stops)
        r->topic = t;
    else
        r->queue = x->queue;
    page_row_done(r->page, r, ROW_PARKED);
}

/* ---- the end of a page ---- */

static bool was_tried(const row *r)
{
    return r->state == ROW_ACKED || r->waits_for != WAITS_AS_IT_DID;
}

static char *id_array(const page *p, bool acked_only)
{
    char *ids = malloc(3 + (size_t)p->n_rows * 21), *at = ids;
    if (!ids)
        return NULL;
    *at++ = '{';
    for (int i = 0; i < p->n_rows; i++)
        if (acked_only ? p->rows[i].state == ROW_ACKED : was_tried(&p->rows[i]))
            at += sprintf(at, at > ids + 1 ? ",%lld" : "%lld", (long long)p->rows[i].id);
    strcpy(at, "}");
    return ids;
}

static void on_stale(void *arg, PGresult *res)
{
    (void)arg;
    if (!PQgetisnull(res, 0, 1))
        lanes_tell_missing(PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1));
    PQclear(res);
}

/* What was parked before the question, and settled, has been seen by it; what was parked since may be of a queue that it found empty. */
static void on_empty(void *arg, PGresult *res)
{
    redrive *rd = arg;
    int n = PQntuples(res);
    bool certain = rd->n_queued_at == 0 && rd->n_marks_at == rd->parking->n_marks;
    for (int i = 0; certain && i < n; i++) {
        uint64_t queue = (uint64_t)strtoll(PQgetvalue(res, i, 0), NULL, 10);
        key_set_remove(&rd->parking->blocked, queue);
        key_set_remove(&rd->active, queue);
    }
    rd->closing = n > 0 && !certain;
    PQclear(res);
}

/* Returns whether anything came of the page. */
static bool count_page(redrive *rd)
{
    bool any = false;
    for (int i = 0; i < rd->page->n_rows; i++) {
        const row *r = &rd->page->rows[i];
        redrive_row *x = &rd->rows[i];
        any |= was_tried(r);
        if (r->state != ROW_ACKED)
            continue;
        rd->settler->published++;
        rd->n_redriven++;
        if (x->stops && x->topic->n_stops > 0) {
            x->topic->n_stops--;
            x->topic->lane_dirty = true;
        }
    }
    return any;
}

static void on_page_settled(void *arg)
{
    redrive *rd = arg;
    rd->under_way = false;
    bool moved = count_page(rd) || rd->closing || rd->active.n < rd->n_active_at;
    rd->round_moved |= moved;
    if (moved && rd->page->value_bytes >= (size_t)rd->cfg->page_bytes)
        rd->end_n = rd->after_n; /* cut short by its bytes: what was cut off comes next */
    if (rd->end_n > 0)
        rd->after_n = rd->end_n;
    else if (!moved)
        rd->next_us = clock_now_us() + PAUSE_US;
    rd->active_at = rd->active.n > MOST_QUEUES ? rd->active_next : 0;
    if (moved && rd->most_rows < MOST_ROWS)
        rd->most_rows *= 2;
    drop_page(rd);
    rd->look = true;
    failpoint("after_redriven");
}

static void note_active(redrive *rd)
{
    for (int i = 0; i < rd->page->n_rows; i++)
        if (rd->page->rows[i].state == ROW_ACKED && !key_set_has(&rd->ended, rd->rows[i].queue))
            add(rd, &rd->active, rd->rows[i].queue);
}

static int64_t count_acked(const page *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->n_rows; i++)
        n += p->rows[i].state == ROW_ACKED;
    return n;
}

static void settle_page(redrive *rd)
{
    page *p = rd->page;
    transaction *x = &rd->parking->alone.ship->transaction;
    if (!transaction_may_settle(x, rd))
        return;
    note_active(rd);
    char *acked = id_array(p, true), *tried = id_array(p, false);
    char *queues = queue_array(rd, MOST_QUEUES);
    if (acked && tried && queues) {
        failpoint("after_redrive");
        char after[24], end[24];
        snprintf(after, sizeof after, "%lld", (long long)rd->after_n);
        snprintf(end, sizeof end, "%lld", (long long)rd->end_n);
        const char *ids[] = {acked, tried}, *empty[] = {queues}, *span[] = {after, end};
        rd->under_way = true;
        rd->n_active_at = rd->active.n;
        rd->n_marks_at = rd->parking->n_marks;
        rd->n_queued_at = rd->settler->n_queued;
        transaction_begin_intent(x, rd->session, rd);
        settler_send_receipts(rd->settler, p);
        session_execute(rd->session, "redriven", 2, ids, false, NULL, NULL);
        session_execute(rd->session, "redrive_stale", 2, span, false, on_stale, rd);
        if (!park_rows_send(rd->session, "repark", p->rows, (size_t)p->n_rows))
            rd->fault = "out of memory";
        session_execute(rd->session, "queues_empty", 1, empty, false, on_empty, rd);
        transaction_commit_parked(x, rd->session, rd, rd->settler->epoch,
                                  rd->settler->published + count_acked(p), on_page_settled, rd);
    }
    free(acked);
    free(tried);
    free(queues);
}

/* ---- a page that waits ---- */

static bool is_open(const row *r)
{
    return r->state != ROW_ACKED && r->state != ROW_PARKED;
}

static bool waits_for_stalled(const redrive *rd)
{
    for (int i = 0; i < rd->page->n_rows; i++)
        if (is_open(&rd->page->rows[i]) && !rd->rows[i].topic->stalled)
            return false;
    return true;
}

size_t redrive_sent(const redrive *rd, const topic *t)
{
    size_t n = 0;
    for (int i = 0; rd->page && i < rd->page->n_rows; i++)
        n += rd->page->rows[i].state == ROW_SENT && rd->rows[i].topic == t;
    return n;
}

static int64_t stalled_most_us(const redrive *rd)
{
    return earlier(STALLED_MOST_US, rd->cfg->lane_timeout_ms * 500);
}

/* What is on the wire cannot be, and comes back when librdkafka has waited for long enough. */
static void take_back_stalled(redrive *rd, int64_t now_us)
{
    for (int i = 0; i < rd->page->n_rows; i++)
        if (is_open(&rd->page->rows[i]))
            rd->rows[i].topic->stop_rests_until_us = now_us + rd->cfg->lane_timeout_ms * 1000;
    ship_recall_alone(rd->parking->alone.ship);
}

/* What a stalled topic stops at would stay with the producer for as long as its partition has no leader, and nobody's wish be carried out. */
static int64_t watch_page(redrive *rd, int64_t now_us)
{
    if (now_us < rd->watch_at_us)
        return rd->watch_at_us;
    rd->watch_at_us = now_us + WATCH_US;
    if (!waits_for_stalled(rd)) {
        rd->stalled_since_us = 0;
    } else if (rd->stalled_since_us == 0) {
        rd->stalled_since_us = now_us;
    } else if (now_us - rd->stalled_since_us >= stalled_most_us(rd)) {
        rd->stalled_since_us = 0;
        take_back_stalled(rd, now_us);
    }
    return rd->watch_at_us;
}

static int64_t step_page(redrive *rd, int64_t now_us)
{
    if (rd->page->n_open > 0)
        return watch_page(rd, now_us);
    rd->stalled_since_us = 0;
    settle_page(rd);
    return CLOCK_NEVER;
}

int64_t redrive_step(redrive *rd, int64_t now_us)
{
    if (rd->under_way)
        return CLOCK_NEVER;
    if (rd->page)
        return step_page(rd, now_us);
    if (rd->look || now_us >= rd->look_at_us) {
        look(rd, now_us);
        return CLOCK_NEVER;
    }
    int64_t until_us = rd->look_at_us;
    if (rd->wants_discard && now_us >= rd->discard_at_us) {
        discard(rd, now_us);
        return rd->recall_until_us > now_us ? rd->recall_until_us : CLOCK_NEVER;
    }
    if (rd->wants_discard)
        until_us = earlier(until_us, rd->discard_at_us);
    if (!rd->wants_redrive && rd->active.n == 0) {
        rd->closing = false;
        return until_us;
    }
    if (now_us < rd->next_us)
        return earlier(rd->next_us, until_us);
    bool waits = rd->closing && rd->settler->n_queued > 0;
    if (!waits && *rd->account < (size_t)rd->cfg->in_flight_bytes)
        ask_page(rd);
    return CLOCK_NEVER;
}

/* What follows in their queues must not leave before them. */
void redrive_rewind(redrive *rd)
{
    for (int i = 0; rd->page && i < rd->page->n_rows; i++)
        if (rd->page->rows[i].state == ROW_ACKED) {
            add(rd, &rd->ended, rd->rows[i].queue);
            rd->page->rows[i].state = ROW_PARKED;
            rd->page->rows[i].waits_for = WAITS_AS_IT_DID;
        }
    rd->most_rows = 1;
}

bool redrive_finish(redrive *rd)
{
    if (rd->page && rd->page->n_open == 0 && !rd->under_way)
        settle_page(rd);
    return rd->under_way;
}
