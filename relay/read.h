/* Reading by snapshot difference: opens batches, gets their pages, and raises their fences. */
#ifndef POSTBUS_RELAY_READ_H
#define POSTBUS_RELAY_READ_H

#include "batch.h"
#include "binding.h"
#include "config.h"
#include "doorbell.h"
#include "fences.h"
#include "leaf.h"
#include "session.h"
#include "settle.h"

/* Statements that name a leaf. */
typedef enum read_kind {
    READ_SNAPSHOT,
    READ_NEW,
    READ_LARGE,
    READ_STRAGGLERS,
    READ_WIDE, /* stragglers of more transactions than can be named */
    READ_KINDS
} read_kind;

#define READER_PAGES_ASKED 2 /* the server finds one page while another is handed over */

/* A page that was asked for: of rows with ids in (after_id, up_to_id]. */
typedef struct page_range {
    read_kind kind;
    int64_t after_id, up_to_id;
    int rows; /* at most */
} page_range;

typedef struct reader {
    const config *cfg;
    session *session;
    batch_queue *queue;
    doorbell *bell;
    settler *settler;
    bool opening; /* the answers of a read are on their way */
    fences *fences;
    bindings *bindings; /* told what each read has seen */
    int page_rows;      /* shrinks while values are large */
    int64_t span_ids;   /* how many ids a page is asked for, of which at most page_rows can be rows */

    /* The further pages under way, in their order. The first n_stale are of no use: a page before them was cut short. */
    page_range asked[READER_PAGES_ASKED];
    int n_asked, n_stale;
    size_t page_bytes; /* of memory, by the last page of rows */

    /* The read under way. */
    snapshot *seen;
    int64_t last_id;
    uint64_t fence_x;
    uint64_t log_end; /* where the log ended when seen had been taken */
    uint64_t flushed; /* up to where the log was flushed at the end of the read */
    bool bounded;     /* its first page of new rows was asked for as one of large values */
    page *stragglers[LEAF_COUNT], *fresh;
    page_range straggler_ranges[LEAF_COUNT], fresh_range;
    int n_stragglers;

    /* Batches whose rows may not leave yet, because what they saw may not be durable. */
    batch *held; /* the first of them; NULL: none */
    int64_t held_since_us;
    bool barrier_settles; /* the barrier under way is the commit of a settling */

    int leaf;   /* from which the last read began to take new rows */
    bool large; /* it holds values out of line: its pages are to be bounded in bytes */
    bool prepared[READ_KINDS][LEAF_COUNT]; /* the statements of each leaf */
    char *fault;                           /* an answer was not of the expected form */
    uint64_t n_reads, n_rows, n_batches, n_barriers;
} reader;

/* A new session has begun: nothing is known but what the queue holds. */
void reader_start(reader *r, const config *cfg, session *pg, batch_queue *queue, doorbell *bell,
                  settler *sets, fences *bounds, bindings *schemas);
/* Forgets the read under way (the session is gone). */
void reader_drop(reader *r);
/* Sends what is due: a barrier, or, if it may read, a further page of the last batch, or a read. CLOCK_NEVER or when to come again. */
int64_t reader_step(reader *r, bool may_read, int64_t now_us);

#endif
