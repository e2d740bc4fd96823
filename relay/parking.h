/* Parking: decides which rows leave the flow because they, or one before them, were refused for good. */
#ifndef POSTBUS_RELAY_PARKING_H
#define POSTBUS_RELAY_PARKING_H

#include "alone.h"
#include "key_set.h"
#include "lane.h"
#include "redrive.h"

typedef struct parking {
    const config *cfg;
    settler *settler;
    lanes *lanes;
    struct redrive *redrive;
    alone alone;
    key_set blocked; /* the queues of postbus.parked, those about to be written included */
    uint64_t
        n_marks; /* rows set aside for one of them: tells whether a look at the database is out of date */
    uint64_t n_refused;
    int64_t logged_us; /* when a refused event was logged last */
    uint64_t n_unlogged;
    bool out_of_memory;
} parking;

void parking_start(parking *p, const config *cfg, ship *out, settler *sets, lanes *l, struct redrive *rd,
                   batch_queue *queue);
/* A lost session: forgets everything. No row may be in flight. */
void parking_drop(parking *p);

/* A row of the outbox whose topic is ready and has no lane: true where it was set aside, or held to be sent alone. */
bool parking_takes(parking *p, topic *t, row *r, const page_event *e);

typedef enum parking_answer {
    PARKING_LEAVES,
    PARKING_TAKES,
    PARKING_WAITS,
    PARKING_ENDS_PAGE
} parking_answer;
/* The same for row i of a lane's page; PARKING_WAITS: what was sent before it has to come back first; PARKING_ENDS_PAGE: what comes before it
 * has to be committed first. */
parking_answer parking_takes_of_lane(parking *p, topic *t, page *lane_page, int i);

/* Reports on rows that were sent alone; to be called before the row is done. */
void parking_acked(parking *p, row *r);
void parking_failed(parking *p, row *r, int refusal, int64_t now_us);

#endif
