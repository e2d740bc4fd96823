/* Stalls: finds the topics of which nothing is acknowledged although brokers answer, and what of them has to be set aside. */
#ifndef POSTBUS_RELAY_STALL_H
#define POSTBUS_RELAY_STALL_H

#include "lane.h"
#include "ship.h"

typedef struct stalls {
    const config *cfg;
    ship *ship;
    lanes *lanes;
    int64_t now_us;
    int64_t look_at_us;
    int64_t stepped_us;  /* when it was called last: time in which this process stood still does not count */
    int64_t up_since_us; /* brokers answer since then, as far as is known: nor does time before it */
    int64_t heard_us;    /* when the last answer of a broker was known of */
    int64_t asked_since_us, ask_at_us; /* brokers are asked whether they are there; 0: they need not be */
    int64_t rest_until_us;             /* no producer is thrown away before */
    int64_t wait_us;                   /* what counts as stalled in this look */
    bool any_suspect;
    int n_found;                   /* topics, in this look */
    bool holds_first, holds_alone; /* ... of which that producer holds something */
} stalls;

void stalls_start(stalls *s, const config *cfg, ship *out, lanes *l, int64_t now_us);
/* True: topics have stalled, their lanes are open, and what the producers hold of them is to be taken back by throwing the first away (where
 * holds_first), and the second (where holds_alone). */
bool stalls_step(stalls *s, int64_t now_us);
/* When it wants to be called again. */
int64_t stalls_until(const stalls *s);

/* An empty lane proves nothing: until then its topic counts as stalled. */
int64_t stalls_held_until(const config *cfg, const topic *t);
/* A record of the lane was acknowledged: whether the topic takes events again. */
bool stalls_over(const config *cfg, topic *t, int32_t partition, int64_t now_us);

#endif
