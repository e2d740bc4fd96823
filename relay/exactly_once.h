/* Exactly-once delivery: ends the transactions of the relay, and finds out on the way to the lead what became of the last leader's. */
#ifndef POSTBUS_RELAY_EXACTLY_ONCE_H
#define POSTBUS_RELAY_EXACTLY_ONCE_H

#include "relay_inner.h"

/* The lock of the leader is had. Goes on with relay_lead: at once, or, with exactly-once delivery or where the last leader left an intent in doubt,
 * when all others are fenced and the doubt is resolved. */
void exactly_once_resolve(relay *y);
/* While y->resolving. CLOCK_NEVER or when to come again. */
int64_t exactly_once_resolve_step(relay *y, int64_t now_us);
/* A new leadership begins: its queue and settler are there. */
void exactly_once_start(relay *y);
/* After the hand-over; more: rows are ready that were not handed over yet. CLOCK_NEVER or when to come again. */
int64_t exactly_once_step(relay *y, bool more, int64_t now_us);
/* When stopping. True while something has to be ended first. */
bool exactly_once_finish(relay *y, int64_t now_us);

#endif
