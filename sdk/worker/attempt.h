/* One attempt at an event: a transaction with the handler in it, and what becomes of the event. */
#ifndef POSTBUS_WORKER_ATTEMPT_H
#define POSTBUS_WORKER_ATTEMPT_H

#include "lane.h"
#include "ledger.h"

enum { ATTEMPT_ERROR_SIZE = 1000 };

typedef struct attempt {
    lane *l;
    event *e;
    char xid[LEDGER_XID_SIZE]; /* of the transaction in which the event was claimed */
    pbus_outcome outcome;
    bool ended;     /* the handler ended the transaction */
    bool transient; /* may be run again at once */
    bool replaced;  /* its session was: what came before the event may not be there any more */
    int n_died;     /* what is noted are so many attempts that killed their processes; 0: this one */
    char error[ATTEMPT_ERROR_SIZE];
} attempt;

/* What became of an event that was read: ATTEMPT_DONE is set aside, dead, or a duplicate; ATTEMPT_OWED is not done, and read again like all else. */
typedef enum attempt_end { ATTEMPT_HANDLED, ATTEMPT_DONE, ATTEMPT_OWED } attempt_end;

/* An event that was read. Another status than PBUS_OK: the session is not to be used again, and nothing is known of the event. */
PBUS_MUST_USE pbus_status attempt_read(lane *l, event *e, attempt_end *out, pbus_error *err);

/* An event that waited and is due, if there is one. */
PBUS_MUST_USE pbus_status attempt_due(lane *l, bool *out_found, pbus_error *err);

/* Calls the handler in the transaction that is open, for events in their order: one, or as many as batch_size where it takes many. true: it acknowledged,
 * and nothing speaks against a commit. */
bool attempt_call(attempt *a, event *const *events, size_t n);

/* Undoes the transaction, and finds out whether it still is the one that was begun. A connection that the handler has left in the middle of
 * something, or killed, is replaced, so that the attempt is counted: an event that always does so would be tried without end. */
PBUS_MUST_USE pbus_status attempt_undo(attempt *a, pbus_error *err);

/* Why an event with that claim is for no handler, as the reason of a dead letter; NULL: it is for one. */
const char *attempt_unfit(const event *e, claim_state state, const char **out_error);
/* Makes a dead letter of such an event in the transaction that is open; and tells of it, when that is committed. */
PBUS_MUST_USE pbus_status attempt_bury(lane *l, event *e, const char *reason, const char *error,
                                       pbus_error *err);
void attempt_tell_buried(lane *l, event *e, const char *reason, const char *error);

/* Whether there is another attempt, and when; -1: there is none. */
int64_t attempt_delay_ms(lane *l, const event *e, const pbus_outcome *outcome);
/* What is kept with an event must be text in UTF-8. out: ATTEMPT_ERROR_SIZE bytes. */
void attempt_copy_error(char *out, const char *text);

/* For ledger_commit: whether the statements of a handler are limited. */
unsigned attempt_limits(const lane *l);

/* A moment, so that two that have disturbed each other do not meet again. */
void attempt_nap(lane *l);

#endif
