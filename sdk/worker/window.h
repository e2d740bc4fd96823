/* What was read of one partition and is not done yet, so that the position moves over what is done without a gap. */
#ifndef POSTBUS_WORKER_WINDOW_H
#define POSTBUS_WORKER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct window_entry {
    int64_t offset, record_ms;
    bool done;
} window_entry;

typedef struct window {
    window_entry *ring;
    size_t head, n, capacity;
    uint64_t first_ticket; /* of the entry at head */
    int64_t read_next;     /* behind all that was read */
    int64_t read_ms;       /* the timestamp of the last of it, once there is one */
    /* For those who ask how far it is: */
    const char *topic;
    int32_t partition;
    int64_t end, end_known_ms; /* the partition's, as a broker said last, and when; -1: none has */
    int64_t unread_from,
        unread_since_ms; /* where reading stood when the end was told, and all told before had been read */
} window;

void window_init(window *w, int64_t next_offset);
void window_done(window *w);

/* Read, and nothing is to be done about it. Offsets come in their order; record_ms: the record's timestamp. */
void window_pass(window *w, int64_t offset, int64_t record_ms);
/* Read, and to be done. false: no memory. */
bool window_add(window *w, int64_t offset, int64_t record_ms, uint64_t *out_ticket);
/* It is done. */
void window_finish(window *w, uint64_t ticket);

/* All before it is done. */
int64_t window_position(const window *w);

/* A broker has told the partition's end. */
void window_note_end(window *w, int64_t end, int64_t now_ms);
/* Records behind the position; -1: nobody has told the end since that time. */
int64_t window_lag(const window *w, int64_t since_ms);
/* How long ago the first that is not done was published. Where none is, and some are not read: the last that was read, or how long they have been seen there
 * where it was read before they were. 0: there is none, as far as is known. */
int64_t window_lag_ms(const window *w, int64_t now_ms, int64_t wall_ms);

#endif
