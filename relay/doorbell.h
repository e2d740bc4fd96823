/* When to read, when to arm the doorbell, when to sleep: the waiting half of the relay, as a state machine without I/O.
 *
 * Publishers hold the doorbell's lock shared from their INSERT until their rows are visible. A relay with nothing to do takes it
 * exclusively (armed) and reads once more, with a new snapshot, before it sleeps: whoever had the lock is seen by that read, and
 * whoever did not get it sends a NOTIFY to a session that has been listening since before. The relay only ever tries the lock:
 * queueing for it would make every publisher ring. */
#ifndef POSTBUS_RELAY_DOORBELL_H
#define POSTBUS_RELAY_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum doorbell_state {
    DOORBELL_AWAKE,  /* the lock is free for publishers */
    DOORBELL_ARMED,  /* we hold the lock; the armed read has not answered yet */
    DOORBELL_ASLEEP, /* we hold the lock and the armed read found nothing */
} doorbell_state;

typedef enum doorbell_action {
    DOORBELL_WAIT,            /* nothing to do before *out_until_us */
    DOORBELL_READ,            /* read */
    DOORBELL_ARM_AND_READ,    /* try the lock, then read */
    DOORBELL_UNLOCK_AND_READ, /* release the lock, then read */
} doorbell_action;

typedef struct doorbell {
    doorbell_state state;
    int64_t idle_us;       /* without rows for this long: arm; doubled while many ring at once */
    int64_t idle_least_us; /* as configured */
    int64_t safety_us;
    int64_t last_rows_us;
    int64_t next_read_us;
    int64_t nap_us;
    bool woken;          /* rung while armed or asleep */
    bool found_unrung;   /* a safety poll found rows and no ring has explained them yet */
    int rings_this_wake; /* rings since the lock was taken */
    uint64_t n_rings, n_wakes, n_arms, n_safety_polls, n_safety_found;
} doorbell;

void doorbell_init(doorbell *d, int64_t idle_ms, int64_t safety_poll_ms, int64_t now_us);
/* A new session: it holds no lock and has not read yet. */
void doorbell_restart(doorbell *d, int64_t now_us);
doorbell_action doorbell_next(doorbell *d, int64_t now_us, int64_t *out_until_us);
/* The answer of the lock, where the action was DOORBELL_ARM_AND_READ; before that read's doorbell_read_done. */
void doorbell_lock_answered(doorbell *d, bool got_it, int64_t now_us);
/* How many rows the read found; of a batch that goes on in further pages, those of the first. */
void doorbell_read_done(doorbell *d, int n_rows, int64_t now_us);
/* After doorbell_read_done: whether rows were found behind the held lock. Then it is to be released now, before they are published. */
bool doorbell_take_unlock(doorbell *d);
void doorbell_rung(doorbell *d, int n_rings);

#endif
