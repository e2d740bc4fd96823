/* The transactions of the load: each a named way in which applications use an outbox. */
#ifndef POSTBUS_LOAD_SCENARIO_H
#define POSTBUS_LOAD_SCENARIO_H

#include "session.h"

typedef enum outcome { OUTCOME_COMMITTED, OUTCOME_ROLLED_BACK, OUTCOME_FAILED, OUTCOMES } outcome;

typedef struct scenario {
    const char *name;
    int weight;        /* how often, among all */
    int steady_weight; /* likewise, where the plan has a rate */
    bool busy;         /* not when the stage is sparse: it keeps the doorbell's lock for long */
    outcome (*run)(session *s);
} scenario;

/* Ends with a row whose name is NULL. */
extern const scenario scenarios[];

/* Finishes what a broken connection left prepared. */
void scenario_finish_prepared(session *s);

/* One transaction of plan.straggler_rows events that stays open for a while after the last of them. */
outcome scenario_straggler(session *s);

/* One event in one statement. */
outcome scenario_lone(session *s);

/* The tables of the load: truth, the rows that the keys' order comes from, and something to write to early.
 */
extern const char scenario_tables[];

#endif
