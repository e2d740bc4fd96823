/* Keeps the order in which a partition was read; must never let the position pass what is not done. */
#include "window.h"

#include <stdlib.h>

void window_init(window *w, int64_t next_offset)
{
    *w = (window){.read_next = next_offset, .end = -1};
}

void window_done(window *w)
{
    free(w->ring);
    *w = (window){0};
}

void window_pass(window *w, int64_t offset, int64_t record_ms)
{
    w->read_next = offset + 1;
    w->read_ms = record_ms;
}

static bool window_grow(window *w)
{
    size_t capacity = w->capacity ? w->capacity * 2 : 64;
    window_entry *ring = malloc(capacity * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < w->n; i++)
        ring[i] = w->ring[(w->head + i) % w->capacity];
    free(w->ring);
    w->ring = ring;
    w->head = 0;
    w->capacity = capacity;
    return true;
}

bool window_add(window *w, int64_t offset, int64_t record_ms, uint64_t *out_ticket)
{
    if (w->n == w->capacity && !window_grow(w))
        return false;
    w->ring[(w->head + w->n) % w->capacity] = (window_entry){.offset = offset, .record_ms = record_ms};
    *out_ticket = w->first_ticket + w->n++;
    window_pass(w, offset, record_ms);
    return true;
}

void window_finish(window *w, uint64_t ticket)
{
    w->ring[(w->head + (ticket - w->first_ticket)) % w->capacity].done = true;
    while (w->n > 0 && w->ring[w->head].done) {
        w->head = (w->head + 1) % w->capacity;
        w->first_ticket++;
        w->n--;
    }
}

int64_t window_position(const window *w)
{
    return w->n > 0 ? w->ring[w->head].offset : w->read_next;
}

void window_note_end(window *w, int64_t end, int64_t now_ms)
{
    bool was_there = w->end <= w->read_next; /* all that was known has been read */
    w->end = end;
    w->end_known_ms = now_ms;
    if (was_there) {
        w->unread_from = w->read_next;
        w->unread_since_ms = now_ms;
    }
}

int64_t window_lag(const window *w, int64_t since_ms)
{
    if (w->end < 0 || w->end_known_ms < since_ms)
        return -1;
    int64_t end = w->end > w->read_next ? w->end : w->read_next;
    return end - window_position(w);
}

/* The last that was read tells nothing where the rest came later: the topic may have been quiet for hours in between. */
int64_t window_lag_ms(const window *w, int64_t now_ms, int64_t wall_ms)
{
    int64_t lag_ms = 0;
    if (w->n > 0)
        lag_ms = wall_ms - w->ring[w->head].record_ms;
    else if (w->end > w->read_next && w->unread_from != w->read_next)
        lag_ms = wall_ms - w->read_ms;
    else if (w->end > w->read_next)
        lag_ms = now_ms - w->unread_since_ms;
    return lag_ms > 0 ? lag_ms : 0;
}
