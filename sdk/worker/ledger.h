/* What the schema postbus_inbox knows, as calls: what was handled, what waits, what is dead. All but ledger_begin_…, ledger_holds and ledger_waits belong
 * into an open transaction. */
#ifndef POSTBUS_WORKER_LEDGER_H
#define POSTBUS_WORKER_LEDGER_H

#include "event.h"
#include "session.h"

typedef enum claim_state {
    CLAIM_NEW = 0,
    CLAIM_DUPLICATE = 1, /* handled before */
    CLAIM_BEHIND = 2,    /* an earlier event of its key waits */
    CLAIM_FORGOTTEN = 3, /* so old that nobody knows whether it was handled */
} claim_state;

#define LEDGER_XID_SIZE 24

/* An event that is claimed in a transaction that is open. */
typedef struct ledger_claim {
    const event *event; /* borrowed; NULL: none is */
    claim_state state;
    char xid[LEDGER_XID_SIZE]; /* as from ledger_begin_claims */
} ledger_claim;

/* Prepares a session for claims and commits, which then run for less. */
PBUS_MUST_USE pbus_status ledger_prepare(session *s, pbus_error *err);

/* Whether the subscription still holds. PBUS_ERROR_SCHEMA: in this database, which is older than the worker, the number is none, or another's. */
PBUS_MUST_USE pbus_status ledger_holds(session *s, int subscription, const char *application, const char *key,
                                       bool *out, pbus_error *err);

/* Begins a transaction and claims events in it, all at once; of more than one it is a batch, in which nobody's COMMIT succeeds but that of ledger_commit.
 * limit_ms: of the statements that follow in it, but not of the claim, which may wait for another member; 0: none. out: one for each event.
 * out_xid: the transaction's id as text, "" where it has none. */
PBUS_MUST_USE pbus_status ledger_begin_claims(session *s, int subscription, event *const *events, size_t n,
                                              int64_t limit_ms, claim_state *out, char *out_xid,
                                              pbus_error *err);
/* Begins a transaction and takes the event n; *out is NULL where it is not due any more. It is the caller's. limit_ms: as above. */
PBUS_MUST_USE pbus_status ledger_begin_take(session *s, int64_t n, int64_t limit_ms,
                                            const event_headers *names, event **out, char *out_xid,
                                            pbus_error *err);

/* An event that is due. */
typedef struct due_event {
    int64_t n;  /* 0: none is */
    int deaths; /* so many of its attempts have ended with the process */
    int n_died; /* so many more, which are to be noted before it is tried again */
} due_event;

/* Before the transaction of an attempt, and committed at once: the attempt begins. *out_n_died: so many have killed their processes and are to be noted
 * instead; -1: the event was handled before. */
PBUS_MUST_USE pbus_status ledger_pick_up(session *s, const event *e, const char *member, int *out_n_died,
                                         pbus_error *err);
/* Likewise with an event that is due. alone: which, where its process handles nothing else that could be at fault; 0: the first, and where that has deaths,
 * its attempt does not begin. */
PBUS_MUST_USE pbus_status ledger_pick_due(session *s, int subscription, const char *member, int64_t alone,
                                          due_event *out, pbus_error *err);
/* The attempt is over, and needs no other note. */
PBUS_MUST_USE pbus_status ledger_put_down(session *s, const event *e, pbus_error *err);

/* What a transaction is that is to be committed. LIMITED: its statements are, and those of the commit are not to be. */
enum { LEDGER_PLAIN = 0, LEDGER_LIMITED = 1, LEDGER_BATCH = 2 };

/* Commits, unless this is another transaction than xid (""; not asked). done: an event that ends its waiting, or that was picked up; NULL: none. how: of the
 * above. */
PBUS_MUST_USE pbus_status ledger_commit(session *s, const char *xid, const event *done, unsigned how,
                                        pbus_error *err);

/* The same for an event that was read and not picked up, and with it, in one round trip, the claim of the event that comes next, as by ledger_begin_claims,
 * in a transaction that is begun for it. PBUS_OK: it is committed, and out_next->event is next; or NULL, where the claim could not be made, and nothing is
 * begun. Else nothing is begun, either. */
PBUS_MUST_USE pbus_status ledger_commit_and_claim(session *s, const char *xid, unsigned how, int subscription,
                                                  const event *next, int64_t limit_ms, ledger_claim *out_next,
                                                  pbus_error *err);

/* Sets the event aside, *out_done true; only_behind: where nothing of its key waits nothing is done, and it is false. n_died: of the attempts that are
 * noted, so many killed their processes. */
PBUS_MUST_USE pbus_status ledger_set_aside(session *s, int subscription, const event *e, bool only_behind,
                                           int64_t delay_ms, int n_died, const char *error, bool *out_done,
                                           pbus_error *err);
/* *out_n: the dead letter's number. */
PBUS_MUST_USE pbus_status ledger_bury(session *s, int subscription, const event *e, const char *reason,
                                      const char *error, int64_t *out_n, pbus_error *err);
/* Publishes a dead letter through the outbox; out_why: "", or why that is impossible. */
PBUS_MUST_USE pbus_status ledger_publish_dead(session *s, int64_t n, const char *topic, char *out_why,
                                              size_t size, pbus_error *err);
/* Whether this session can do so. PBUS_ERROR_SCHEMA: there is no outbox; PBUS_ERROR_PERMISSION: its role may not publish. */
PBUS_MUST_USE pbus_status ledger_check_outlet(session *s, pbus_error *err);
enum { LEDGER_NOT_TRIED = -1 };
/* What became of an event that had been taken; delay_ms -1: it is dead. n_died: as above; LEDGER_NOT_TRIED: what is noted counts as no attempt. *out_done
 * false: another was faster. */
PBUS_MUST_USE pbus_status ledger_failed(session *s, int64_t n, int attempts_before, int64_t delay_ms,
                                        const char *reason, int n_died, const char *error, bool *out_done,
                                        pbus_error *err);

/* Whether an event that waited still is the one with its number, and the first of its key. */
PBUS_MUST_USE pbus_status ledger_waits(session *s, const event *e, bool *out, pbus_error *err);
/* Whether the transaction with that id committed. */
PBUS_MUST_USE pbus_status ledger_committed(session *s, const char *xid, bool *out, pbus_error *err);

/* In how many milliseconds an event of the subscription is due; -1: none waits. */
PBUS_MUST_USE pbus_status ledger_next_due_ms(session *s, int subscription, int64_t *out, pbus_error *err);

#endif
