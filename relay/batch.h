/* The open batches: what was read and is not settled yet, in the order in which it was read. */
#ifndef POSTBUS_RELAY_BATCH_H
#define POSTBUS_RELAY_BATCH_H

#include "page.h"
#include "snapshot.h"

/* A place between two batches: all that s sees is before it; every row with xid >= x has id > l. */
typedef struct position {
    snapshot *s;
    uint64_t x;
    int64_t l;
} position;

typedef enum batch_stage { STAGE_STRAGGLERS, STAGE_NEW, STAGE_READ } batch_stage;

/* All rows visible in end.s and not in start.s. */
typedef struct batch batch;
struct batch {
    batch *next;
    position start, end;
    bool released;    /* all that end.s saw is durable: its rows may leave */
    uint64_t log_end; /* durable is what was in the log up to here */
    batch_stage stage;
    int64_t after_id; /* rows of this stage up to here have been read */
    page *first, *last;
};

/* A place within the batches: row i of page p (NULL: before the first page) of batch b. */
typedef struct batch_cursor {
    batch *b;
    page *p;
    int i;
} batch_cursor;

typedef struct batch_queue {
    batch *head, *tail;
    batch_cursor settled; /* rows before it are settled */
    batch_cursor ship;    /* rows before it have been handed over (or acknowledged, or parked) */
    batch_cursor clear;   /* rows before it are acknowledged, parked, or sent alone; moved by alone.c */
    bool keeps_pages;     /* page.kept */
    size_t n_batches;
    size_t bytes;  /* held by pages whose rows are not all done */
    size_t frames; /* what is kept of batches and pages until they are settled */
} batch_queue;

/* The queue takes the position's snapshot. false: no memory. */
bool batch_queue_init(batch_queue *q, position origin);
/* No row may be ROW_SENT. */
void batch_queue_done(batch_queue *q);

batch *batch_new(position start, position end);
void batch_free(batch *b);
void batch_queue_append(batch_queue *q, batch *b);
/* As if b, which has no rows, had been appended: the last batch, which is read, ends where b ends. Frees b. */
void batch_queue_extend(batch_queue *q, batch *b);
void batch_queue_add_page(batch_queue *q, batch *b, page *p);

/* The row at the cursor, after passing ends of pages and of batches that are read and released; NULL: none there yet. A batch that is held is
 * never behind a cursor, and so never freed. */
row *batch_cursor_row(batch_cursor *c);
/* Whether the cursor is behind the last row of a batch that is read. */
bool batch_cursor_at_end(const batch_cursor *c);
/* Moves over the rows that are acknowledged or parked; the number of rows passed. */
size_t batch_cursor_pass_done(batch_cursor *c);
/* What lies before the cursor is settled: frees it. */
void batch_queue_settle(batch_queue *q, batch_cursor to);
/* Of a queue that keeps its pages: what was acknowledged and is not settled was not published after all. */
void batch_queue_undo(batch_queue *q);
/* Start to hand over again from the first row that is not settled. */
void batch_queue_rewind(batch_queue *q);
/* What the open batches take of the memory limit. */
size_t batch_queue_held(const batch_queue *q);
/* Whether rows have been read and are not settled. */
bool batch_queue_has_open_rows(const batch_queue *q);

#endif
