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
    size_t
        head_bytes; /* of topics that are refused or have stalled, one event each: others' reading does not wait for them */
    struct parking *parking;
    bool paused;              /* no further page is read */
    bool closing;             /* a lane is about to close: no new batch should be opened */
    bool unparking;           /* set by lanes_finish */
    int64_t now_us, until_us; /* of a step */
    bool malformed;           /* an answer was not of the expected form */
    bool out_of_memory;
} lanes;

void lanes_start(lanes *l, const config *cfg, session *pg, ship *out, settler *sets, struct parking *p,
                 size_t *account);
/* The answer of queries/lanes.sql: which lanes are open. Frees res. */
void lanes_load(lanes *l, PGresult *res);
/* The topic stalled: its events are to be parked from now on. What its page has not sent stays parked. */
void lanes_open(lanes *l, topic *t);
/* Sets a row aside behind those of its topic. */
void lanes_park(lanes *l, topic *t, row *r, int64_t now_us);
/* Parks a refused row, and stops its topic there. */
void lanes_stop(lanes *l, topic *t, row *r, int refusal, int64_t now_us);
/* Takes back the first events of lanes that a producer still holds and has not sent; nothing more of those pages leaves. */
void lanes_recall(lanes *l);
/* Tells of parked events that are not in the outbox any more: how many, and the first of them. For redrive.c, too. */
void lanes_tell_missing(const char *name, const char *n, const char *first_id);
/* Whether no page of any lane is read, sent or removed; where except_stalled, but for what stalled topics have in flight: that can stay there for long. */
bool lanes_are_idle(lanes *l, bool except_stalled);
/* The ids of those, as an array, for the caller to free. NULL: no memory. */
char *lanes_in_flight(lanes *l);
/* Reads, sends, and removes parked events where their topics are back. CLOCK_NEVER or when it is to be called again. */
int64_t lanes_step(lanes *l, int64_t now_us);
/* The transaction with the rows of the topic's page was aborted. */
void lanes_rewind(topic *t);
/* Of an open lane: no further row of its page leaves. */
void lanes_leave_page(topic *t);
/* When stopping: removes what the brokers have taken, sends nothing more. True while that is not committed. */
bool lanes_finish(lanes *l);

#endif
