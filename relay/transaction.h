/* The Kafka transaction that is open: whose records it takes, and what becomes of them (delivery = exactly_once).
 *
 * One transaction has the records of one owner: of the flow, of one page of a lane, or of one page of a redrive. It ends so:
 *   1. it takes no more records, and all of them are reported;
 *   2. what PostgreSQL is to say of them is committed there as an intent, the row n of postbus.progress;
 *   3. n becomes the position of a consumer group within the transaction, and the transaction is committed.
 * An intent counts once 3 is known. Whoever leads next asks Kafka for the position, and takes back an intent that did not get there. */
#ifndef POSTBUS_RELAY_TRANSACTION_H
#define POSTBUS_RELAY_TRANSACTION_H

#include "coordinator.h"
#include "page.h"
#include "session.h"

typedef enum transaction_state {
    TRANSACTION_NONE,     /* no transactional producer */
    TRANSACTION_STARTING, /* it is being initialised */
    TRANSACTION_READY,    /* open, and empty */
    TRANSACTION_OPEN,     /* has records, takes more */
    TRANSACTION_CLOSING,  /* takes no more */
    TRANSACTION_IN_DOUBT, /* the intent is on its way or there, the transaction not known to be committed */
    TRANSACTION_ABORTING,
    TRANSACTION_LOST, /* nobody here can end it: another producer must be started */
} transaction_state;

typedef struct transaction {
    coordinator *coordinator;
    transaction_state state;
    const void *owner;   /* page.lane of its records: NULL is the flow */
    bool alone;          /* one suspect record of the flow, and no other */
    struct topic *topic; /* of all its records; NULL: of several */
    struct topic *first_topic;
    size_t n_rows, n_in_flight, n_bytes;
    size_t most_rows;    /* of the flow: fewer after a refusal, to find the record */
    bool abort_answered; /* but records of it are not reported yet */
    bool failed;         /* a record of it is not in Kafka: it is to be aborted */
    int refusal;         /* ... because it was refused (refusal.h); -1: another reason */
    int64_t opened_us, closed_us;
    int64_t close_us;     /* how long the last one took to end */
    int64_t resume_at_us; /* no record before this */
    int64_t backoff_us;

    coordinator_position position, next; /* of the last transaction that was committed; of the one in doubt */
    char intent[24];                     /* the PostgreSQL transaction of the intent in doubt */
    bool has_undo;                       /* ... and it changed parked events */
    char undo[24];    /* what was noted for taking back this intent, and earlier ones, can go; "": nothing */
    bool unconfirmed; /* PostgreSQL has not been told yet that the last intent counts */
    bool confirming;  /* ... but is being told: a stop waits for the answer */
    int64_t confirm_at_us;
    session_committed_cb *on_committed;
    void *on_committed_arg;
    bool fenced;
    rd_kafka_resp_err_t
        err; /* TRANSACTION_LOST; where that came of a refusal, refusal says so, and whose it may be: topic, else first_topic */
    char reason[256]; /* TRANSACTION_LOST: why */
    uint64_t n_committed, n_aborted;
} transaction;

/* The producer is new: fences all others of this id, and reads the position. The producer is destroyed by transaction_end. */
void transaction_start(transaction *t, rd_kafka_t *rk, const char *id, int event_fd);
typedef enum transaction_ending {
    TRANSACTION_HAD_NONE,   /* the producer is its caller's to destroy */
    TRANSACTION_ENDED,      /* it is destroyed */
    TRANSACTION_ENDS_LATER, /* it will be when a call that is under way returns */
} transaction_ending;
/* Destroys the producer. */
transaction_ending transaction_end(transaction *t);
static inline bool transaction_is_on(const transaction *t)
{
    return t->state != TRANSACTION_NONE;
}

/* Whether a row may be handed over now. */
bool transaction_takes(const transaction *t, const row *r, int64_t now_us);
/* It was handed over. */
void transaction_sent(transaction *t, const row *r, struct topic *of, int64_t now_us);
/* ... and reported. refusal: -1, or why it was refused for good. */
void transaction_reported(transaction *t, bool ok, int refusal);

/* The statements of a session that an intent needs. */
void transaction_prepare(session *pg);
/* Whether what the owner did can be settled now: by an intent, or, where none of it is in a transaction, like any other statement. */
bool transaction_may_settle(const transaction *t, const void *owner);
/* Before the first statement of a settling of the owner's. */
void transaction_begin_intent(transaction *t, session *pg, const void *owner);
/* After the last statement of a settling of parked events: commits it as an intent, or plainly. cb: when it counts. */
void transaction_commit_parked(transaction *t, session *pg, const void *owner, int64_t epoch,
                               int64_t published, session_committed_cb *cb, void *arg);
/* The flow's intent has been sent but for its commit. */
void transaction_commit_flow(transaction *t, session *pg, bool has_undo, session_committed_cb *cb, void *arg);
/* The answer to the statement that wrote the intent; arg is the transaction. Frees res. */
void transaction_on_intended(void *arg, PGresult *res);
/* The last intent counts, for all to see. */
void transaction_confirm(transaction *t, session *pg, int64_t epoch);

/* Aborts it. All its records will be reported. */
void transaction_abort(transaction *t);
/* Takes the coordinator's answer, if there is one. True once an abort is over and all its records are reported: they are to be sent again, and
 * transaction_rewound is to be called. */
bool transaction_step(transaction *t, int64_t settle_us, int64_t now_us);
void transaction_rewound(transaction *t);

#endif
