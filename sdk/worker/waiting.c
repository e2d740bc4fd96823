/* Keeps lines of events in a heap by their time and in a table by their key; must never let an event pass one of its key. */
#include "waiting.h"

#include <stdlib.h>

static event **bucket_of(waiting *w, const event *e)
{
    return &w->buckets[(uint64_t)e->queue % WAITING_BUCKETS];
}

static event *find(waiting *w, const event *e)
{
    event *line = e->has_queue ? *bucket_of(w, e) : NULL;
    while (line && line->queue != e->queue)
        line = line->chain;
    return line;
}

static void free_line(event *e)
{
    for (event *next; e; e = next) {
        next = waiting_next(e);
        event_free(e);
    }
}

void waiting_done(waiting *w)
{
    for (size_t i = 0; i < w->n; i++)
        free_line(w->heap[i]);
    free(w->heap);
    *w = (waiting){0};
}

static bool make_room(waiting *w)
{
    if (w->n < w->capacity)
        return true;
    size_t capacity = w->capacity ? w->capacity * 2 : 16;
    event **grown = realloc(w->heap, capacity * sizeof(event *));
    if (!grown)
        return false;
    w->heap = grown;
    w->capacity = capacity;
    return true;
}

bool waiting_put(waiting *w, event *e, int64_t due_ms)
{
    if (!make_room(w))
        return false;
    e->due_ms = due_ms;
    size_t at = w->n++;
    for (; at > 0 && w->heap[(at - 1) / 2]->due_ms > due_ms; at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = e;
    if (e->has_queue) {
        e->chain = *bucket_of(w, e);
        *bucket_of(w, e) = e;
    }
    return true;
}

bool waiting_follow(waiting *w, event *e)
{
    event *line = find(w, e);
    if (!line)
        return false;
    e->behind = NULL;
    if (line->behind)
        line->behind_last->behind = e;
    else
        line->behind = e;
    line->behind_last = e;
    return true;
}

int64_t waiting_due_ms(const waiting *w)
{
    return w->n > 0 ? w->heap[0]->due_ms : INT64_MAX;
}

/* The top is free: it is filled from below, in the end by e. */
static void sink(waiting *w, event *e)
{
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < w->n; at = child) {
        if (child + 1 < w->n && w->heap[child + 1]->due_ms < w->heap[child]->due_ms)
            child++;
        if (w->heap[child]->due_ms >= e->due_ms)
            break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = e;
}

static void unchain(waiting *w, const event *e)
{
    event **link = bucket_of(w, e);
    while (*link != e)
        link = &(*link)->chain;
    *link = e->chain;
}

event *waiting_take(waiting *w)
{
    if (w->n == 0)
        return NULL;
    event *e = w->heap[0], *last = w->heap[--w->n];
    if (w->n > 0)
        sink(w, last);
    if (e->has_queue)
        unchain(w, e);
    return e;
}

event *waiting_next(event *e)
{
    event *next = e->behind;
    if (next)
        next->behind_last =
            e->behind_last; /* where it is the last itself, it has none behind it, and this says nothing */
    e->behind = NULL;
    return next;
}
