/* Sends the reading statements and puts their answers in order; must never let a row leave before its batch's fence is committed. */
#include "read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failpoint.h"
#include "postbus_sql.h"

#define MOST_XIDS_NAMED 1000  /* between a snapshot and its fence */
#define BARRIER_AFTER_US 1000 /* the writers' own commits have mostly flushed the log by then */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void fault(reader *r, const char *what)
{
    if (!r->fault)
        r->fault = strdup(what);
}

static void forget_read(reader *r)
{
    snapshot_unref(r->seen);
    for (int i = 0; i < r->n_stragglers; i++)
        page_free(r->stragglers[i]);
    page_free(r->fresh);
    r->seen = NULL;
    r->fresh = NULL;
    r->n_stragglers = 0;
}

void reader_start(reader *r, const config *cfg, session *pg, batch_queue *queue, doorbell *bell,
                  settler *sets, fences *bounds, bindings *schemas)
{
    reader_drop(r);
    uint64_t n_reads = r->n_reads, n_rows = r->n_rows, n_batches = r->n_batches, n_barriers = r->n_barriers;
    *r = (reader){.cfg = cfg,
                  .session = pg,
                  .queue = queue,
                  .bell = bell,
                  .settler = sets,
                  .fences = bounds,
                  .bindings = schemas,
                  .page_rows = (int)cfg->page_rows,
                  .span_ids = cfg->page_rows,
                  .large = true, /* until a snapshot's statement has looked */
                  .n_reads = n_reads,
                  .n_rows = n_rows,
                  .n_batches = n_batches,
                  .n_barriers = n_barriers};
}

void reader_drop(reader *r)
{
    forget_read(r);
    r->held = NULL;
    free(r->fault);
    r->fault = NULL;
}

/* ---- pages ---- */

/* Copies a statement, with the leaf's name wherever it names the outbox. */
static void name_leaf(char *to, size_t size, const char *sql, int leaf)
{
    static const char token[] = "postbus.outbox";
    static const size_t length = sizeof token - 1;
    size_t n = 0;
    while (*sql && n < size - 32) {
        if (strncmp(sql, token, length) == 0 && sql[length] != '_') {
            n += (size_t)snprintf(to + n, size - n, "%s_%d", token, leaf);
            sql += length;
        } else {
            to[n++] = *sql++;
        }
    }
    to[n] = '\0';
}

/* The relay names the leaf: a generic plan over the parent would lock all sixteen at each read. */
static void execute(reader *r, read_kind kind, int leaf, int n, const char *const *values,
                    session_result_cb *cb)
{
    static const char *const files[READ_KINDS] = {"snapshot", "page_new", "page_large", "page_stragglers",
                                                  "page_stragglers_wide"};
    char name[32], sql[8192];
    snprintf(name, sizeof name, "%s_%d", files[kind], leaf);
    if (!r->prepared[kind][leaf]) {
        name_leaf(sql, sizeof sql, sql_query(files[kind]), leaf);
        session_prepare(r->session, name, sql);
        r->prepared[kind][leaf] = true;
    }
    session_execute(r->session, name, n, values, kind != READ_SNAPSHOT, cb, r);
}

static page_range range_of(const reader *r, read_kind kind, int64_t after_id, int64_t up_to_id)
{
    return (page_range){.kind = kind, .after_id = after_id, .up_to_id = up_to_id, .rows = r->page_rows};
}

static void ask_page(reader *r, const page_range *range, const position *start, session_result_cb *cb)
{
    char after[24], up_to[24], rows[16], bytes[24], from_xid[24], to_xid[24];
    snprintf(after, sizeof after, "%lld", (long long)range->after_id);
    snprintf(up_to, sizeof up_to, "%lld", (long long)range->up_to_id);
    snprintf(rows, sizeof rows, "%d", range->rows);
    snprintf(bytes, sizeof bytes, "%lld", (long long)r->cfg->page_bytes);
    snprintf(from_xid, sizeof from_xid, "%llu", (unsigned long long)start->s->xmax);
    snprintf(to_xid, sizeof to_xid, "%llu", (unsigned long long)start->x);
    bool wide = range->kind == READ_STRAGGLERS && start->x > start->s->xmax + MOST_XIDS_NAMED;
    read_kind kind = wide ? READ_WIDE : range->kind;
    char *xids = range->kind == READ_STRAGGLERS ? snapshot_unseen_array(start->s, wide ? 0 : start->x) : NULL;
    const char *values[] = {after, up_to, rows, bytes, xids, from_xid, to_xid};
    static const int n_values[READ_KINDS] = {
        [READ_NEW] = 3, [READ_LARGE] = 4, [READ_STRAGGLERS] = 5, [READ_WIDE] = 7};
    if (range->kind == READ_STRAGGLERS && !xids) /* NULL would find none of them */
        fault(r, "out of memory");
    execute(r, kind, leaf_of(range->up_to_id), n_values[kind], values, cb);
    free(xids);
}

/* Whether the page has all rows of its range: it is not full, in rows or in bytes, or the range has no more ids, or none behind its last row. The server counts the bytes of
 * headers in its own encoding, which can take more of them than ours: so only what is far from full counts as not full. */
static bool is_whole(const reader *r, const page *p, const page_range *range)
{
    if (p->n_rows == 0 || p->rows[p->n_rows - 1].id == range->up_to_id)
        return true;
    if (range->kind == READ_NEW)
        return p->n_rows < range->rows || range->up_to_id - range->after_id <= range->rows;
    return p->n_rows < range->rows && p->value_bytes < (size_t)r->cfg->page_bytes / 2;
}

/* Ids without a row that is wanted now (rolled back, or published long ago) make pages small: ask for more of them at once. */
static void adapt_span(reader *r, const page *p, const page_range *range, bool whole)
{
    if (!whole)
        r->span_ids = r->span_ids / 2;
    else if (p->n_rows < range->rows / 4 && r->span_ids < LEAF_IDS)
        r->span_ids = r->span_ids * 2;
    if (r->span_ids < r->page_rows)
        r->span_ids = r->page_rows;
}

/* Large values: ask for about as many rows as the limit of bytes lets through; else as many as configured. */
static void adapt_page_rows(reader *r, const page *p)
{
    if (p->n_rows > 0 && p->value_bytes >= (size_t)r->cfg->page_bytes)
        r->page_rows = p->n_rows < 10 ? 10 : p->n_rows;
    else if (r->page_rows < r->cfg->page_rows)
        r->page_rows = (int)smaller(r->page_rows * 2, r->cfg->page_rows);
}

static bool ascends(const page *p)
{
    for (int i = 1; i < p->n_rows; i++)
        if (p->rows[i].id <= p->rows[i - 1].id)
            return false;
    return true;
}

static page *take_page(reader *r, PGresult *res)
{
    page *p = page_new(res);
    if (p && ascends(p))
        return p;
    page_free(p);
    fault(r, "a page of the outbox is not of the expected form");
    return NULL;
}

static bool has_stragglers(const position *p)
{
    return p->s->n_xip > 0 || p->s->xmax < p->x;
}

/* After a page (or an empty range) that ended at up_to_id: the next range, the next stage, or the end. */
static void range_done(batch *b, int64_t up_to_id)
{
    b->after_id = up_to_id;
    if (b->stage == STAGE_STRAGGLERS && b->after_id >= b->start.l) {
        b->stage = STAGE_NEW;
        b->after_id = b->start.l;
    }
    if (b->stage == STAGE_NEW && b->after_id >= b->end.l)
        b->stage = STAGE_READ;
}

/* false: the page was cut short, and its range goes on behind it. */
static bool take_into(reader *r, batch *b, page *p, const page_range *range)
{
    r->n_rows += (uint64_t)p->n_rows;
    bool whole = is_whole(r, p, range);
    adapt_page_rows(r, p);
    int64_t read_to = p->n_rows > 0 ? p->rows[p->n_rows - 1].id : b->after_id;
    if (p->n_rows > 0) {
        r->page_bytes = p->bytes; /* what the next one will take, the first of a batch included */
        batch_queue_add_page(r->queue, b, p);
    } else {
        page_free(p);
    }
    if (whole)
        range_done(b, range->up_to_id);
    else
        b->after_id = read_to;
    return whole;
}

static void on_page(void *arg, PGresult *res)
{
    reader *r = arg;
    page_range range = r->asked[0];
    r->n_asked--;
    memmove(r->asked, r->asked + 1, (size_t)r->n_asked * sizeof r->asked[0]);
    if (r->n_stale > 0) {
        r->n_stale--;
        PQclear(res);
        return;
    }
    page *p = take_page(r, res);
    if (!p)
        return;
    adapt_span(r, p, &range, is_whole(r, p, &range));
    if (!take_into(r, r->queue->tail, p, &range))
        r->n_stale = r->n_asked;
}

/* The next range of the batch that has not been asked for. Ahead of an answer only where it cannot depend on it: with new rows, whose pages are
 * asked for by so few ids that they are whole. */
static bool next_range(const reader *r, page_range *out)
{
    const batch *b = r->queue->tail;
    bool ahead = r->n_asked > r->n_stale;
    int64_t after_id = ahead ? r->asked[r->n_asked - 1].up_to_id : b->after_id;
    int64_t end_id = b->stage == STAGE_STRAGGLERS ? b->start.l : b->end.l;
    if (b->stage == STAGE_READ || after_id >= end_id)
        return false;
    int64_t up_to_id = smaller(leaf_end(after_id + 1), end_id);
    read_kind kind = b->stage == STAGE_STRAGGLERS               ? READ_STRAGGLERS
                     : r->large || leaf_of(up_to_id) != r->leaf ? READ_LARGE
                                                                : READ_NEW;
    if (kind == READ_NEW)
        up_to_id = smaller(up_to_id, after_id + r->span_ids);
    else if (ahead)
        return false;
    *out = range_of(r, kind, after_id, up_to_id);
    return true;
}

/* Where nothing is on its way to a broker, what is left is about to be settled, but for the frame of the last page: however large, it must not
 * keep the next one out. */
static bool has_room(const reader *r)
{
    size_t asked = (size_t)r->n_asked * r->page_bytes;
    return batch_queue_held(r->queue) + asked < (size_t)r->cfg->in_flight_bytes ||
           (r->queue->bytes == 0 && r->n_asked == 0);
}

static void ask_further_pages(reader *r)
{
    page_range range;
    while (r->n_asked < READER_PAGES_ASKED && has_room(r) && next_range(r, &range)) {
        r->asked[r->n_asked++] = range;
        ask_page(r, &range, &r->queue->tail->start, on_page);
        session_commit(r->session, NULL, NULL);
    }
}

/* ---- opening a batch ---- */

static void on_lock(void *arg, PGresult *res)
{
    reader *r = arg;
    doorbell_lock_answered(r->bell, PQgetvalue(res, 0, 0)[0] == 't', clock_now_us());
    PQclear(res);
}

static void on_snapshot(void *arg, PGresult *res)
{
    reader *r = arg;
    r->seen = snapshot_parse(PQgetvalue(res, 0, 0));
    r->last_id = PQgetisnull(res, 0, 1) ? r->queue->tail->end.l : strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    r->log_end = strtoull(PQgetvalue(res, 0, 2), NULL, 10);
    r->large = PQgetvalue(res, 0, 3)[0] == 't';
    bindings_seen(r->bindings, strtoll(PQgetvalue(res, 0, 5), NULL, 10));
    if (!r->seen)
        fault(r, "a snapshot is not of the expected form");
    PQclear(res);
}

static void on_first_stragglers(void *arg, PGresult *res)
{
    reader *r = arg;
    r->stragglers[r->n_stragglers++] = take_page(r, res);
}

static void on_first_new(void *arg, PGresult *res)
{
    reader *r = arg;
    r->fresh = take_page(r, res);
}

static void on_fence(void *arg, PGresult *res)
{
    reader *r = arg;
    r->fence_x = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    r->flushed = strtoull(PQgetvalue(res, 0, 1), NULL, 10);
    if (!r->seen || r->fence_x < r->seen->xmax)
        fault(r, "a fence is not of the expected form");
    PQclear(res);
}

/* ---- durability: a batch's rows leave when the log is flushed up to where it ended after the batch's snapshot ---- */

static void hold(reader *r, batch *b, int64_t now_us)
{
    b->log_end = r->log_end;
    if (r->held)
        return;
    r->held = b;
    r->held_since_us = now_us;
}

static void release_first(reader *r)
{
    r->held->released = true;
    r->held = r->held->next;
    failpoint("after_barrier");
}

static void release_flushed(reader *r, uint64_t flushed, int64_t now_us)
{
    while (r->held && r->held->log_end <= flushed) {
        release_first(r);
        r->held_since_us = now_us;
    }
}

static void on_barrier_committed(void *arg)
{
    reader *r = arg;
    r->opening = false;
    while (r->held) /* none was read meanwhile */
        release_first(r);
    if (r->barrier_settles)
        settler_committed(r->settler);
}

/* A settling that is due serves as the barrier. */
static void send_barrier(reader *r, int64_t now_us)
{
    r->opening = true;
    r->n_barriers++;
    r->barrier_settles = settler_is_due(r->settler, now_us) && settler_send(r->settler);
    if (r->settler->out_of_memory) /* what it sent must not be committed alone; the session ends */
        return;
    if (!r->barrier_settles)
        session_execute(r->session, "barrier", 0, NULL, false, NULL, NULL);
    session_commit(r->session, on_barrier_committed, r);
}

/* One page a leaf: each is of use where the one before it was the last of its leaf. */
static void take_first_stragglers(reader *r, batch *b)
{
    b->stage = STAGE_STRAGGLERS;
    b->after_id = r->fences->floor_id;
    for (int i = 0; i < r->n_stragglers; i++) {
        page *p = r->stragglers[i];
        r->stragglers[i] = NULL;
        const page_range *range = &r->straggler_ranges[i];
        if (i == 0 || (b->stage == STAGE_STRAGGLERS && b->after_id == range->after_id))
            take_into(r, b, p, range);
        else
            page_free(p);
    }
}

/* Where the first pages of the read end, if they end there: that much is known before the answers come. */
static void take_first_pages(reader *r, batch *b)
{
    b->stage = STAGE_NEW;
    b->after_id = b->start.l;
    if (r->n_stragglers > 0)
        take_first_stragglers(r, b);
    page *fresh = r->fresh;
    r->fresh = NULL;
    r->fresh_range.up_to_id = smaller(r->fresh_range.up_to_id, b->end.l);
    bool found_large = r->large && !r->bounded;      /* its first large value: ask again, now bounded */
    if (b->stage == STAGE_STRAGGLERS || found_large) /* there are more stragglers, and they come first */
        page_free(fresh);
    else
        take_into(r, b, fresh, &r->fresh_range);
    if (b->stage == STAGE_NEW && b->after_id >= b->end.l)
        b->stage = STAGE_READ;
}

static batch *make_batch(reader *r)
{
    position start = r->queue->tail->end;
    position end = {.s = r->seen, .x = r->fence_x, .l = r->last_id};
    if (end.l <
        start
            .l) { /* ids would be handed out that lie before what was read: those rows would never be found */
        fault(r, "postbus.outbox_id_seq was set back");
        return NULL;
    }
    batch *b = batch_new(start, end);
    if (!b) {
        fault(r, "out of memory");
        return NULL;
    }
    take_first_pages(r, b);
    return b;
}

/* Rows behind an armed bell: publishers must not have to ring while they are being published. */
static void release_bell(reader *r)
{
    if (!doorbell_take_unlock(r->bell))
        return;
    session_execute(r->session, "unlock", 0, NULL, false, NULL, NULL);
    session_commit(r->session, NULL, NULL);
}

static void on_read_committed(void *arg)
{
    reader *r = arg;
    int64_t now_us = clock_now_us();
    uint64_t n_before = r->n_rows;
    batch *b = r->fault ? NULL : make_batch(r);
    forget_read(r);
    if (!b)
        return;
    bool got_rows = b->first || b->stage != STAGE_READ;
    int n_rows = (int)(r->n_rows - n_before);
    r->opening = false;
    doorbell_read_done(r->bell, got_rows && n_rows == 0 ? 1 : n_rows, now_us);
    release_bell(r);
    fences_add(r->fences, b->end.x, b->end.l);
    if (!got_rows) {
        release_flushed(r, r->flushed, now_us);
        batch_queue_extend(r->queue, b);
        return;
    }
    batch_queue_append(r->queue, b);
    r->n_batches++;
    failpoint("after_read");
    hold(r, b, now_us);
    release_flushed(r, r->flushed, now_us);
    if (r->held && r->flushed == 0) /* a synchronous standby: looking at the log would not tell */
        send_barrier(r, now_us);
}

/* One page of each leaf from the floor on: mostly one, two while an old transaction reaches back over the end of a leaf. */
static void ask_first_stragglers(reader *r, const position *start)
{
    int64_t after_id = r->fences->floor_id;
    for (int i = 0; i < LEAF_COUNT && after_id < start->l; i++) {
        page_range range = range_of(r, READ_STRAGGLERS, after_id, smaller(leaf_end(after_id + 1), start->l));
        r->straggler_ranges[i] = range;
        ask_page(r, &range, start, on_first_stragglers);
        after_id = range.up_to_id;
    }
}

/* One flight: [unlock | try lock] snapshot, stragglers, new rows, fence, commit. Each statement has a snapshot of its own. */
static void open_batch(reader *r, doorbell_action action)
{
    position start = r->queue->tail->end;
    r->opening = true;
    r->fence_x = 0;
    r->n_reads++;
    if (action == DOORBELL_UNLOCK_AND_READ)
        session_execute(r->session, "unlock", 0, NULL, false, NULL, NULL);
    else if (action == DOORBELL_ARM_AND_READ) {
        session_execute(r->session, "arm", 0, NULL, false, on_lock, r);
        session_commit(r->session, NULL, NULL);
    }
    r->bounded = r->large;
    r->fresh_range = range_of(r, r->bounded ? READ_LARGE : READ_NEW, start.l, leaf_end(start.l + 1));
    r->leaf = leaf_of(r->fresh_range.up_to_id);
    execute(r, READ_SNAPSHOT, r->leaf, 0, NULL, on_snapshot);
    if (has_stragglers(&start))
        ask_first_stragglers(r, &start);
    ask_page(r, &r->fresh_range, &start, on_first_new);
    session_execute(r->session, "fence", 0, NULL, false, on_fence, r);
    session_commit(r->session, on_read_committed, r);
}

/* Further pages of the last batch, or a read, where it is time and there is room. */
static int64_t read_on(reader *r, int64_t now_us)
{
    if (r->queue->tail->stage != STAGE_READ) {
        ask_further_pages(r);
        return CLOCK_NEVER;
    }
    if (!has_room(r))
        return CLOCK_NEVER;
    int64_t until_us = CLOCK_NEVER;
    doorbell_action action = doorbell_next(r->bell, now_us, &until_us);
    if (action != DOORBELL_WAIT)
        open_batch(r, action);
    return until_us;
}

int64_t reader_step(reader *r, bool may_read, int64_t now_us)
{
    if (r->opening)
        return CLOCK_NEVER;
    int64_t barrier_us = r->held ? r->held_since_us + BARRIER_AFTER_US : CLOCK_NEVER;
    if (now_us >= barrier_us) {
        send_barrier(r, now_us);
        return CLOCK_NEVER;
    }
    int64_t until_us = may_read ? read_on(r, now_us) : CLOCK_NEVER;
    return until_us < barrier_us ? until_us : barrier_us;
}
