/* Threads that handle events: those of one key go to one lane, and one lane handles one event at a time. */
#ifndef POSTBUS_WORKER_LANE_H
#define POSTBUS_WORKER_LANE_H

#include "cancel.h"
#include "feed.h"
#include "ledger.h"
#include "owed.h"
#include "waiting.h"
#include "tally.h"

struct lane {
    feed *feed;
    waiting waiting;     /* without a database */
    uint64_t generation; /* to which that belongs */
    session session;
    cancel *cancel; /* of the session; under the feed's lock */
    pthread_t thread;
    bool started;
    event **batch;               /* what is being handled: room for batch_size */
    claim_state *states;         /* likewise */
    event **plain;               /* likewise: those of them that a handler gets at once */
    const pbus_delivery **views; /* likewise: what it sees of them */
    owed owed;                   /* attempts at its events that are not written down yet */
    size_t pace;                 /* how many go into a transaction at this moment */
    size_t n_sure, n_singly;     /* after a failure: so many may go together, and then so many one by one */
    int64_t handling_ms;         /* how long the handlers of the last transaction took */
    size_t due_turns;            /* so many that waited come before one that was read */
    ledger_claim ahead;          /* the queue's first, claimed with the last commit */
    uint32_t random;             /* a state of its own: for jitter and pauses */
    tally tally;
    pthread_cond_t has_work; /* these are under the feed's lock */
    event *first, *last;
    int64_t seeks_session_since_ms; /* by feed_now_ms: it has work and no session; 0: not so */
};

/* sub->n_threads of them, not started; NULL: no memory. */
lane *lanes_new(feed *f);
void lanes_free(lane *lanes, feed *f);
/* Starts all; false: not all could be started, and those that were will see `stopping`. */
bool lanes_start(feed *f);
void lanes_join(feed *f);

/* Queues an event, which is the lane's then. With the lock held. */
void lanes_put(feed *f, event *e);
/* With the lock held. */
void lanes_wake_one(feed *f);
void lanes_wake_all(feed *f);
/* Has what the lanes' sessions are doing cancelled, and waits for no server: that is for threads of its own, which end by themselves, be it after the
 * worker. Takes the lock. */
void lanes_cancel(feed *f);

/* The event that this lane handles next, which stays in its queue; NULL: that is not known yet. */
const event *lane_peek(lane *l);

uint32_t lane_random(lane *l);

/* Ends what the lane's session is doing, and opens another one, unless the handlers are abandoned; what was done by it is not counted on. */
PBUS_MUST_USE pbus_status lane_reopen(lane *l, pbus_error *err);

#endif
