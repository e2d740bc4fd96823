/* Empties old leaves of the outbox: looks now and then, in a session of its own beside the leader's. */
#ifndef POSTBUS_RELAY_RETENTION_H
#define POSTBUS_RELAY_RETENTION_H

#include "config.h"
#include "leaf.h"
#include "session.h"

typedef struct retention_answer {
    char outcome[16];
    int leaf, next_leaf; /* of closing */
    int64_t n_rows, n_receipts, n_parked, n_missing, first_missing_id, freed_bytes;
} retention_answer;

typedef struct retention {
    const config *cfg;
    session *session; /* while it looks; else NULL */
    int64_t look_at_us;
    int first, n_done; /* where a look begins in the ring of closing and the leaves, and how far it is */
    int leaf;          /* that is looked at; -1: the one to close */
    bool set_up;       /* the session is */
    int64_t asked_us;  /* when it was asked what it has not answered yet; 0: it owes nothing */
    retention_answer answer;
    bool refused
        [LEAF_COUNT +
         1]; /* by the last look: a leaf that is due and must stay; the last: the open one stays open */
    int64_t busy_since_us[LEAF_COUNT]; /* each look since then met a lock on it; 0: the last one did not */
    uint64_t n_closed, n_emptied;
    int64_t tell_at_us[LEAF_COUNT +
                       1]; /* when the same refusal of a leaf is logged again; the last: of closing */
} retention;

/* The relay took the lead. */
void retention_start(retention *r, const config *cfg, int64_t now_us);
/* Does what is due, in a session to the server of leader; returns when to be called again. */
int64_t retention_step(retention *r, const session *leader, int64_t now_us);
/* How many leaves the last look found due and had to leave as they are. */
int retention_refusals(const retention *r);
/* The lead is over, or the relay is. */
void retention_stop(retention *r);

#endif
