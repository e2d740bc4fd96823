/* Rows that are sent alone: one record a request and one in flight a key, by a producer of their own, so that a refusal names its row. */
#ifndef POSTBUS_RELAY_ALONE_H
#define POSTBUS_RELAY_ALONE_H

#include "batch.h"
#include "ship.h"

typedef struct alone_entry alone_entry;
typedef struct alone_key alone_key;

/* Of a row that was refused one time after the other, and it is not clear why. */
typedef struct doubt {
    int64_t id; /* of the row */
    int n_refusals;
    int64_t since_us;
    int32_t partition;
    bool roams;         /* another partition refused it later */
    answers there, all; /* by that partition, and by all, when that began */
} doubt;

typedef struct alone_line {
    alone_key *first, **end;
} alone_line;

typedef struct alone {
    ship *ship;
    batch_queue *queue;
    alone_key *slots[4096];
    alone_line ready;      /* keys with a row to send and none in flight */
    alone_line resting;    /* keys that failed, until they are tried again: the earliest first */
    int64_t last_retry_us; /* of the one that came to rest last */
    size_t n;              /* rows held or in flight */
    size_t n_in_flight;
    doubt given_back[64]; /* of rows that were given back and have not come again; the oldest give way */
    size_t n_given_back;  /* ever */
    bool returned;        /* alone_has_returned */
    bool stopping;        /* what is here stays, and what is parked already is not sent any more */
    /* Asked before each row is sent: whether it was set aside meanwhile, and is not to be sent any more. */
    bool (*aside)(void *arg, topic *t, row *r, const page_event *e, uint64_t hash);
    /* A row was refused for good (refusal.h). */
    void (*refused)(void *arg, topic *t, row *r, uint64_t hash, int refusal);
    void *arg;
} alone;

void alone_start(alone *a, ship *out, batch_queue *queue);
/* Forgets all rows. None may be in flight. */
void alone_drop(alone *a);
/* What keeps the order of a row: its topic and key, or itself where it has no key. */
uint64_t alone_hash(const row *r, const page_event *e);
/* Whether rows of that key are held or in flight: a later one has to queue behind them. */
bool alone_has(const alone *a, uint64_t hash);
/* Takes a row, behind those of its key; those of one key have to come in their order. false: no memory. */
bool alone_add(alone *a, topic *t, row *r, uint64_t hash);
/* Sends what may leave now. CLOCK_NEVER or when it is to be called again, whatever is reported until then. */
int64_t alone_step(alone *a, int64_t now_us);
/* Whether rows were given back since it was last asked: the queue is to be handed over from its first row again. */
bool alone_has_returned(alone *a);
/* Whether anything waits to be sent, or its report is to come soon. */
bool alone_goes_on(const alone *a);
/* Reports on a row it has sent, for ship.c. refusal: -1 where the row may be sent again. To be called before the row is done. */
void alone_acked(alone *a, row *r);
void alone_failed(alone *a, row *r, int refusal, int64_t now_us);
/* The other producer was thrown away, and the queue is about to be rewound: gives back the rows of the outbox that are not in flight. */
void alone_rewind(alone *a);

#endif
