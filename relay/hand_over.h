/* Handing over: rows go to the producer, or aside, in the order in which they were read; those whose topic cannot take them yet are passed
 * over, so that others need not wait, and are tried again before any later one of their topic. */
#ifndef POSTBUS_RELAY_HAND_OVER_H
#define POSTBUS_RELAY_HAND_OVER_H

#include "batch.h"
#include "lane.h"
#include "parking.h"
#include "ship.h"

typedef struct hand_over {
    batch_queue *queue;
    ship *ship;
    parking *parking;
    lanes *lanes;
    uint64_t pass; /* grows; a topic whose passed_in is this one has rows behind the cursor */
    bool passed;   /* any topic has */
    bool
        overtaken; /* and later rows of others have left meanwhile: if it ended here, they would be sent again */
    batch_cursor first; /* the first of them */
    bool returned;      /* the cursor went back to it, and has not come to the end of what is read since */
} hand_over;

void hand_over_start(hand_over *h, batch_queue *queue, ship *out, parking *p, lanes *l);
/* Returns true if there is more to hand over at once. */
bool hand_over_step(hand_over *h, int64_t now_us);
/* When stopping: hands over what was passed over and overtaken, and what lies behind it. True: there is such. */
bool hand_over_finish(hand_over *h, int64_t now_us);
/* From the first row that is not settled: the producer was thrown away. */
void hand_over_rewind(hand_over *h);

#endif
