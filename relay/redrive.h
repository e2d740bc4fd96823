/* Redriving: carries out what operators wish for refused events, and lets go of the keys behind them. */
#ifndef POSTBUS_RELAY_REDRIVE_H
#define POSTBUS_RELAY_REDRIVE_H

#include "key_set.h"
#include "settle.h"
#include "topic.h"

/* What a page holds of a row besides the row. */
typedef struct redrive_row {
    topic *topic;
    uint64_t queue; /* postbus.parked.queue; 0: none */
    bool stops;
    bool held;
} redrive_row;

typedef struct redrive {
    const config *cfg;
    session *session;
    topic_table *topics;
    struct parking *parking;
    struct lanes *lanes;
    settler *settler;
    size_t *account;
    key_set active; /* queues that may have events to send, or may be empty */
    key_set ended;  /* queues of which no further row of the page may leave */
    size_t active_at,
        active_next; /* the slots of `active` from which on this page and the next ask: with many, each has its turn */
    size_t n_active_at;
    int64_t after_n,
        end_n; /* wishes are looked at behind this number; up to which one the page goes, 0: there was none */
    bool round_moved; /* anything came of the pages since after_n was 0 */
    page *page;
    redrive_row *rows; /* of the page */
    bool under_way;    /* statements are on their way */
    bool look;         /* for wishes, now */
    bool wants_redrive, wants_discard;
    bool closing; /* an empty queue is about to be let go of: no new batch should be opened */
    int64_t look_at_us, next_us, discard_at_us;
    int64_t discard_pause_us; /* after the next attempt in vain */
    int64_t
        recall_until_us; /* what was taken back from the producer may take as long to come; 0: nothing was */
    int64_t n_taken;     /* wishes to discard, by the statement under way */
    int64_t most_rows;   /* of a page: fewer after a transaction had to be aborted */
    uint64_t n_marks_at; /* when it was asked which queues are empty */
    size_t n_queued_at;
    uint64_t n_redriven;
    int64_t watch_at_us, stalled_since_us; /* the page waits for topics that have stalled; 0: or for more */
    const char *fault;
} redrive;

void redrive_start(redrive *rd, const config *cfg, session *pg, topic_table *topics, struct parking *p,
                   struct lanes *l, settler *sets, size_t *account);
void redrive_drop(redrive *rd);
/* Asks for the first page of queues behind `after`; cb gets the answer, which redrive_load takes. */
void redrive_ask_queues(redrive *rd, int64_t after, session_result_cb *cb, void *arg);
/* Frees res. Returns the queue to go on behind; INT64_MAX: that was the last page. */
int64_t redrive_load(redrive *rd, PGresult *res);
/* Somebody wished something: it is looked at now, whatever had to wait. */
void redrive_wake(redrive *rd);
/* CLOCK_NEVER or when it is to be called again. */
int64_t redrive_step(redrive *rd, int64_t now_us);
/* The transaction with rows of the page was aborted: they stay parked, for now. */
void redrive_rewind(redrive *rd);
/* When stopping: records what the brokers have taken, sends nothing. True while that is not committed. */
bool redrive_finish(redrive *rd);

/* How many events of the topic the page has with a producer. */
size_t redrive_sent(const redrive *rd, const topic *t);

/* For parking.c. A row of the page is about to be sent: true where it may not leave now. */
bool redrive_keeps(redrive *rd, topic *t, row *r, bool stopping);
/* A row of the page was refused once more. */
void redrive_refused(redrive *rd, topic *t, row *r, int refusal);

#endif
