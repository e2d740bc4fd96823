/* When a failed attempt is followed by another. */
#ifndef POSTBUS_WORKER_RETRY_H
#define POSTBUS_WORKER_RETRY_H

#include <postbus/worker.h>

PBUS_MUST_USE pbus_status retry_check(const pbus_retry_policy *policy, pbus_error *err);

/* How long to wait after that attempt (1, 2, …) failed, before jitter; -1: it was the last. */
int64_t retry_delay_ms(const pbus_retry_policy *policy, int attempt);

/* Draws from four fifths to six fifths of it; random: any 32 bits. */
int64_t retry_jitter_ms(int64_t delay_ms, uint32_t random);

#endif
