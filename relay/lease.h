/* The lease: how long the relay may believe that it leads without having heard from its session.
 *
 * The server ends a session of the leader that has said nothing for the lease's length, and with it goes the leader's lock. A question that was
 * answered was sent before the server began to count. So for half of the length after it was sent, and for five seconds at most, no other
 * relay can lead, and the other half is left for what is on its way to a broker. (Gray and Cheriton, "Leases", SOSP 1989.) */
#ifndef POSTBUS_RELAY_LEASE_H
#define POSTBUS_RELAY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lease {
    int64_t term_us;  /* how long an answer is good for */
    int64_t asked_us; /* when the question under way was sent; 0: none is */
    int64_t until_us; /* it holds before this */
    bool lapsed;      /* and that has been acted upon */
} lease;

void lease_init(lease *l, int64_t length_ms);
/* A question is sent. What it means to take the lead is one, too. */
void lease_ask(lease *l, int64_t now_us);
void lease_answered(lease *l);
/* When to ask next; CLOCK_NEVER while a question is under way. */
int64_t lease_ask_at(const lease *l);
bool lease_holds(const lease *l, int64_t now_us);

#endif
