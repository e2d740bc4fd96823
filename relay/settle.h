/* Settling: records durably what the brokers acknowledged, as progress and receipts, and sets parked events aside in the same commit. */
#ifndef POSTBUS_RELAY_SETTLE_H
#define POSTBUS_RELAY_SETTLE_H

#include "batch.h"
#include "config.h"
#include "fences.h"
#include "histogram.h"
#include "session.h"

typedef struct settler {
    const config *cfg;
    session *session;
    batch_queue *queue;
    fences *fences;
    int64_t epoch;
    int64_t published; /* of all time, as progress counts it */
    bool under_way;
    bool held;           /* it settles nothing by itself: what is acknowledged is inside a transaction */
    batch_cursor target; /* what the settling under way covers */
    size_t n_target_rows, n_target_published;
    uint64_t target_x,
        settled_x; /* the second position of the settling under way, and of the last one that is durable; 0: none */
    int64_t target_l, settled_l;
    int64_t target_done_id; /* the last row it covers of the target's batch; 0: none */
    row *run;               /* room for one receipt's rows, kept from one settling to the next */
    size_t n_run;
    int n_receipts; /* of the settling under way */
    bool cut;       /* it leaves done rows behind it to the next one */
    row *parks;     /* likewise, behind it */
    size_t n_parks;
    size_t n_queued; /* rows parked for an operator or behind their key whose commit has not come yet */
    bool out_of_memory;
    int64_t first_ack_us;  /* when the oldest acknowledgement that is not settled came; 0: none */
    int64_t target_ack_us; /* of the oldest that the settling under way covers */
    uint64_t n_settles;
    histogram events, times; /* of settlings: how many rows, and how long after the first acknowledgement */
} settler;

void settler_start(settler *s, const config *cfg, session *pg, batch_queue *queue, fences *bounds,
                   int64_t epoch, int64_t published);
void settler_done(settler *s);
/* Rows have become done. */
void settler_note(settler *s, int64_t now_us);
/* Whether there is something to settle now. */
bool settler_has_work(const settler *s);
/* Whether it is time: the oldest acknowledgement has waited for settle_ms, or many batches wait. */
bool settler_is_due(const settler *s, int64_t now_us);
/* As settler_send, as an intent: before is the n that Kafka holds. cb gets the answer of the statement that writes progress; acknowledged events it
 * covers are in n_target_published. */
bool settler_intend(settler *s, int64_t before, session_result_cb *cb, void *arg);
/* Sends the statements of a settling (without the commit) if there is work and none is under way. After the commit: settler_committed. */
bool settler_send(settler *s);
void settler_committed(settler *s);
/* Settles by itself when due. CLOCK_NEVER or when it will be. */
int64_t settler_step(settler *s, int64_t now_us);

/* Sends the receipts of a page's acknowledged rows, whatever the order of their ids (for lanes). */
void settler_send_receipts(settler *s, const page *p);

#endif
