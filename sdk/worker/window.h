/* What was read of one partition and is not done yet, so that the position moves over what is done without a gap. */
#ifndef POSTBUS_WORKER_WINDOW_H
#define POSTBUS_WORKER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct window_entry {
    int64_t offset;
    bool done;
} window_entry;

typedef struct window {
    window_entry *ring;
    size_t head, n, capacity;
    uint64_t first_ticket; /* of the entry at head */
    int64_t read_next;     /* behind all that was read */
} window;

void window_init(window *w, int64_t next_offset);
void window_done(window *w);

/* Read, and nothing is to be done about it. Offsets come in their order. */
void window_pass(window *w, int64_t offset);
/* Read, and to be done; false: no memory. */
bool window_add(window *w, int64_t offset, uint64_t *out_ticket);
/* It is done. */
void window_finish(window *w, uint64_t ticket);

/* All before it is done. */
int64_t window_position(const window *w);

#endif
