/* Keeps batches and pages in order and frees them when they are settled; must never pass a row that is neither acknowledged nor parked. */
#include "batch.h"

#include <stdlib.h>

static size_t page_frame(const page *p)
{
    return sizeof *p + (size_t)p->n_rows * sizeof p->rows[0];
}

/* Without its pages. Each snapshot is the end of one batch. */
static size_t batch_frame(const batch *b)
{
    return sizeof *b + snapshot_bytes(b->end.s);
}

batch *batch_new(position start, position end)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    *b = (batch){.start = start, .end = end};
    snapshot_ref(start.s);
    snapshot_ref(end.s);
    return b;
}

void batch_free(batch *b)
{
    if (!b)
        return;
    while (b->first) {
        page *p = b->first;
        b->first = p->next;
        page_free(p);
    }
    snapshot_unref(b->start.s);
    snapshot_unref(b->end.s);
    free(b);
}

bool batch_queue_init(batch_queue *q, position origin)
{
    *q = (batch_queue){0};
    batch *b = batch_new(origin, origin);
    snapshot_unref(origin.s);
    if (!b)
        return false;
    b->stage = STAGE_READ;
    b->released = true;
    q->head = q->tail = b;
    q->n_batches = 1;
    q->frames = batch_frame(b);
    q->settled = q->ship = q->clear = (batch_cursor){.b = b};
    return true;
}

void batch_queue_done(batch_queue *q)
{
    while (q->head) {
        batch *b = q->head;
        q->head = b->next;
        batch_free(b);
    }
    *q = (batch_queue){0};
}

void batch_queue_append(batch_queue *q, batch *b)
{
    q->tail->next = b;
    q->tail = b;
    q->n_batches++;
    q->frames += batch_frame(b);
}

void batch_queue_extend(batch_queue *q, batch *b)
{
    position end = q->tail->end;
    q->frames -= batch_frame(q->tail);
    q->tail->end = b->end;
    q->frames += batch_frame(q->tail);
    b->end = end;
    batch_free(b);
}

void batch_queue_add_page(batch_queue *q, batch *b, page *p)
{
    p->kept = q->keeps_pages;
    page_charge(p, &q->bytes);
    q->frames += page_frame(p);
    if (b->last)
        b->last->next = p;
    else
        b->first = p;
    b->last = p;
}

row *batch_cursor_row(batch_cursor *c)
{
    for (;;) {
        if (!c->p && c->b->first)
            c->p = c->b->first;
        if (c->p && c->i < c->p->n_rows)
            return &c->p->rows[c->i];
        if (c->p && c->p->next)
            *c = (batch_cursor){.b = c->b, .p = c->p->next};
        else if (c->b->stage == STAGE_READ && c->b->released && c->b->next)
            *c = (batch_cursor){.b = c->b->next};
        else
            return NULL;
    }
}

bool batch_cursor_at_end(const batch_cursor *c)
{
    if (c->b->stage != STAGE_READ)
        return false;
    return c->b->last == NULL || (c->p == c->b->last && c->i == c->p->n_rows);
}

size_t batch_cursor_pass_done(batch_cursor *c)
{
    size_t n = 0;
    row *r;
    while ((r = batch_cursor_row(c)) && (r->state == ROW_ACKED || r->state == ROW_PARKED)) {
        c->i++;
        n++;
    }
    return n;
}

static void free_pages_before(batch_queue *q, batch *b, const page *keep)
{
    while (b->first != keep) {
        page *p = b->first;
        b->first = p->next;
        q->frames -= page_frame(p);
        page_free(p);
    }
}

/* Whether a cursor that may have been rewound lies before another, in what is still kept. */
static bool is_before(const batch_queue *q, const batch_cursor *c, const batch_cursor *to)
{
    for (const batch *b = q->head; b != to->b; b = b->next)
        if (c->b == b)
            return true;
    if (c->b != to->b || !to->p)
        return false;
    for (const page *p = to->b->first; p != to->p; p = p->next)
        if (c->p == p)
            return true;
    return !c->p || (c->p == to->p && c->i < to->i);
}

void batch_queue_settle(batch_queue *q, batch_cursor to)
{
    if (is_before(q, &q->ship, &to))
        q->ship = to;
    if (is_before(q, &q->clear, &to))
        q->clear = to;
    q->settled = to;
    while (q->head != to.b) {
        batch *b = q->head;
        q->head = b->next;
        q->n_batches--;
        q->frames -= batch_frame(b);
        free_pages_before(q, b, NULL);
        batch_free(b);
    }
    if (to.p)
        free_pages_before(q, to.b, to.p);
}

void batch_queue_undo(batch_queue *q)
{
    for (batch *b = q->settled.b; b; b = b->next)
        for (page *p = b->first; p; p = p->next)
            page_rewind(p, p == q->settled.p ? q->settled.i : 0);
    q->ship = q->clear = q->settled;
}

void batch_queue_rewind(batch_queue *q)
{
    q->ship = q->settled;
}

size_t batch_queue_held(const batch_queue *q)
{
    return q->bytes + q->frames;
}

bool batch_queue_has_open_rows(const batch_queue *q)
{
    batch_cursor c = q->settled;
    return batch_cursor_row(&c) != NULL;
}
