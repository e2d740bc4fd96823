/* Writes progress, receipts and parks in one commit; must never record a row as done that no broker acknowledged and nobody parked. */
#include "settle.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "failpoint.h"
#include "leaf.h"
#include "park_rows.h"
#include "postbus_sql.h"
#include "receipt.h"
#include "topic.h"

#define RECEIPT_MOST_ROWS 10000
#define PARK_MOST_ROWS 2000
#define MANY_BATCHES 256
#define RECEIPTS_MOST                                                                                        \
    1000 /* of a settling: what else the session is for, the lease included, waits meanwhile */

void settler_start(settler *s, const config *cfg, session *pg, batch_queue *queue, fences *bounds,
                   int64_t epoch, int64_t published)
{
    *s = (settler){.cfg = cfg,
                   .session = pg,
                   .queue = queue,
                   .fences = bounds,
                   .epoch = epoch,
                   .published = published,
                   .n_settles = s->n_settles,
                   .events = s->events,
                   .times = s->times,
                   .run = s->run};
    session_prepare(pg, "settle", sql_query("settle"));
    session_prepare(pg, "receipt", sql_query("receipt"));
    session_prepare(pg, "park", sql_query("park"));
}

void settler_done(settler *s)
{
    free(s->run);
    s->run = NULL;
}

void settler_note(settler *s, int64_t now_us)
{
    if (s->first_ack_us == 0)
        s->first_ack_us = now_us;
}

bool settler_has_work(const settler *s)
{
    batch_cursor c = s->queue->settled;
    row *r = batch_cursor_row(&c);
    return r && (r->state == ROW_ACKED || r->state == ROW_PARKED);
}

static void send_receipt(settler *s, const row *rows, size_t n)
{
    char leaf[4];
    receipt r;
    if (!receipt_pack(&r, rows, n))
        return; /* a receipt less; progress does not depend on it */
    snprintf(leaf, sizeof leaf, "%d", leaf_of(rows[0].id));
    static const int formats[4] = {0, 1, 1, 1};
    const int lengths[4] = {0, r.ids_size, r.partitions_size, r.offsets_size};
    const char *values[4] = {leaf, r.ids, r.partitions, r.offsets};
    session_execute_formats(s->session, "receipt", 4, values, lengths, formats, NULL, NULL);
    receipt_done(&r);
}

/* ---- one settling ---- */

/* A run is the rows of one receipt: acknowledged, ids ascending, of one leaf; gathered across pages. */
static void flush_run(settler *s)
{
    if (s->n_run > 0 && s->cfg->receipts) {
        send_receipt(s, s->run, s->n_run);
        s->n_receipts++;
    }
    s->n_run = 0;
}

static void add_to_run(settler *s, const row *r)
{
    const row *last = s->n_run > 0 ? &s->run[s->n_run - 1] : NULL;
    if (last && (r->id <= last->id || leaf_end(r->id) != leaf_end(last->id) || s->n_run == RECEIPT_MOST_ROWS))
        flush_run(s);
    s->run[s->n_run++] = *r;
}

static bool make_room(settler *s)
{
    if (!s->run)
        s->run = malloc((RECEIPT_MOST_ROWS + PARK_MOST_ROWS) * sizeof *s->run);
    s->parks = s->run ? s->run + RECEIPT_MOST_ROWS : NULL;
    return s->run != NULL;
}

void settler_send_receipts(settler *s, const page *p)
{
    if (!make_room(s))
        return;
    for (int i = 0; i < p->n_rows; i++)
        if (p->rows[i].state == ROW_ACKED)
            add_to_run(s, &p->rows[i]);
    flush_run(s);
}

/* Parks are gathered like receipts, and go out in the order of the rows. */
static void flush_parks(settler *s)
{
    if (!park_rows_send(s->session, "park", s->parks, s->n_parks))
        s->out_of_memory = true;
    s->n_parks = 0;
}

static void add_to_parks(settler *s, const row *r)
{
    if (s->n_parks == PARK_MOST_ROWS)
        flush_parks(s);
    s->parks[s->n_parks++] = *r;
}

static void gather_row(settler *s, const row *r)
{
    if (r->state == ROW_PARKED) {
        add_to_parks(s, r);
    } else {
        add_to_run(s, r);
        s->n_target_published++;
    }
    s->n_target_rows++;
    s->target_done_id = r->id;
    s->target.i++;
}

/* Walks to the first row that is not done, or behind so many receipts, sending receipts and parks on the way. */
static bool gather(settler *s, int most_receipts)
{
    if (!make_room(s))
        return false;
    s->target = s->queue->settled;
    s->n_target_rows = s->n_target_published = 0;
    s->n_receipts = 0;
    s->cut = false;
    const batch *last_batch = NULL;
    row *r;
    while ((r = batch_cursor_row(&s->target)) && (r->state == ROW_ACKED || r->state == ROW_PARKED)) {
        s->cut = s->n_receipts >= most_receipts;
        if (s->cut)
            break;
        last_batch = s->target.b;
        gather_row(s, r);
    }
    if (s->target.b != last_batch)
        s->target_done_id = 0;
    flush_run(s);
    flush_parks(s);
    return !s->out_of_memory;
}

/* A batch that is not fenced has no second position yet; none of its rows can be done. */
static void send_progress(settler *s, const char *statement, const char *before, session_result_cb *cb,
                          void *arg)
{
    const batch *b = s->target.b;
    const position *one = batch_cursor_at_end(&s->target) && b->released ? &b->end : &b->start;
    const position *two = b->released ? &b->end : one;
    s->target_x = two->x;
    s->target_l = two->l;
    char epoch[24], x1[24], l1[24], x2[24], l2[24], done[24], floor[24], published[24];
    snprintf(epoch, sizeof epoch, "%lld", (long long)s->epoch);
    snprintf(x1, sizeof x1, "%llu", (unsigned long long)one->x);
    snprintf(l1, sizeof l1, "%lld", (long long)one->l);
    snprintf(x2, sizeof x2, "%llu", (unsigned long long)two->x);
    snprintf(l2, sizeof l2, "%lld", (long long)two->l);
    snprintf(done, sizeof done, "%lld", (long long)(one == two ? 0 : s->target_done_id));
    snprintf(floor, sizeof floor, "%lld", (long long)fences_floor(s->fences, one->s));
    snprintf(published, sizeof published, "%lld", (long long)(s->published + (int64_t)s->n_target_published));
    const char *values[] = {epoch, one->s->text, x1,    l1,        two->s->text, x2,
                            l2,    done,         floor, published, before};
    session_execute(s->session, statement, before ? 11 : 10, values, false, cb, arg);
}

static void is_sent(settler *s)
{
    s->under_way = true;
    s->target_ack_us = s->first_ack_us;
    s->first_ack_us = 0;
}

bool settler_send(settler *s)
{
    if (s->under_way || !settler_has_work(s) || !gather(s, RECEIPTS_MOST))
        return false;
    send_progress(s, "settle", NULL, NULL, NULL);
    is_sent(s);
    return true;
}

bool settler_intend(settler *s, int64_t before, session_result_cb *cb, void *arg)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)before);
    if (!gather(s, INT_MAX)) /* all that is in the transaction */
        return false;
    send_progress(s, "intend", text, cb, arg);
    is_sent(s);
    return true;
}

static void note_one(settler *s, const row *r)
{
    if (r->waits_for == WAITS_OPERATOR || r->waits_for == WAITS_KEY) {
        s->n_queued--;
    } else {
        r->topic->n_unsettled--;
        r->topic->n_parked++;
    }
}

static void note_parked(settler *s, batch_cursor from)
{
    size_t n = s->n_target_rows - s->n_target_published;
    row *r;
    while (n > 0 && (r = batch_cursor_row(&from))) {
        if (r->state == ROW_PARKED) {
            n--;
            note_one(s, r);
        }
        from.i++;
    }
}

void settler_committed(settler *s)
{
    if (!s->under_way)
        return;
    if (s->n_target_rows > s->n_target_published)
        failpoint("after_park");
    s->under_way = false;
    s->settled_x = s->target_x;
    s->settled_l = s->target_l;
    s->published += (int64_t)s->n_target_published;
    s->n_settles++;
    histogram_note(&s->events, (int64_t)s->n_target_rows);
    if (s->target_ack_us != 0)
        histogram_note_us(&s->times, clock_now_us() - s->target_ack_us);
    note_parked(s, s->queue->settled);
    batch_queue_settle(s->queue, s->target);
    if (s->cut && s->first_ack_us == 0)
        s->first_ack_us = s->target_ack_us != 0 ? s->target_ack_us : clock_now_us();
    failpoint("after_settle");
}

static void on_committed(void *arg)
{
    settler_committed(arg);
}

bool settler_is_due(const settler *s, int64_t now_us)
{
    if (s->under_way || s->held || s->first_ack_us == 0)
        return false;
    return now_us >= s->first_ack_us + s->cfg->settle_ms * 1000 || s->queue->n_batches >= MANY_BATCHES;
}

int64_t settler_step(settler *s, int64_t now_us)
{
    if (s->under_way || s->held || s->first_ack_us == 0)
        return CLOCK_NEVER;
    if (!settler_is_due(s, now_us))
        return s->first_ack_us + s->cfg->settle_ms * 1000;
    if (!settler_send(s)) {
        s->first_ack_us = 0; /* what was acknowledged waits behind a row that is not */
        return CLOCK_NEVER;
    }
    session_commit(s->session, on_committed, s);
    return CLOCK_NEVER;
}
