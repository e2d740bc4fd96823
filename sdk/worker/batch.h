/* Many events that were read, handled in one transaction. */
#ifndef POSTBUS_WORKER_BATCH_H
#define POSTBUS_WORKER_BATCH_H

#include "lane.h"

/* Handles events of l->batch, at most n from `from` on. *out_n: how many are done with (handled, set aside, dead, or duplicates); 0: it failed, and
 * the next call does it otherwise. Another status than PBUS_OK: the session is not to be used again, and nothing is known of those events. */
PBUS_MUST_USE pbus_status batch_read(lane *l, size_t from, size_t n, size_t *out_n, pbus_error *err);

#endif
