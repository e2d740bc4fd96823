/* Lanes: the parked events of a topic that was missing, refused as a whole or stopped, sent in the order in which they were parked once it is back. */
#ifndef POSTBUS_RELAY_LANE_H
#define POSTBUS_RELAY_LANE_H

#include "settle.h"
#include "ship.h"

typedef struct lanes {
    const config *cfg;
    session *session;
    ship *ship;
    settler *settler;
    size_t *account;
    struct parking *parking;
    bool paused;    /* no further page is read */
    bool closing;   /* a lane is about to close: no new batch should be opened */
    bool unparking; /* set by lanes_finish */
    bool malformed; /* an answer was not of the expected form */
} lanes;

void lanes_start(lanes *l, const config *cfg, session *pg, ship *out, settler *sets, struct parking *p,
                 size_t *account);
/* The answer of queries/lanes.sql: which lanes are open. Frees res. */
void lanes_load(lanes *l, PGresult *res);
/* Sets a row aside behind those of its topic. */
void lanes_park(lanes *l, topic *t, row *r, int64_t now_us);
/* Parks a refused row, and stops its topic there. */
void lanes_stop(lanes *l, topic *t, row *r, int refusal, int64_t now_us);
/* Whether no page of any lane is read, sent or removed. */
bool lanes_are_idle(lanes *l);
/* Reads, sends, and removes parked events where their topics are back. */
void lanes_step(lanes *l);
/* When stopping: removes what the brokers have taken, sends nothing. True while that is not committed. */
bool lanes_finish(lanes *l);

#endif
