/* One attempt at an event: a transaction with the handler in it, and what becomes of the event. */
#ifndef POSTBUS_WORKER_ATTEMPT_H
#define POSTBUS_WORKER_ATTEMPT_H

#include "lane.h"

/* An event that was read. PBUS_OK: it is done: handled, set aside, dead, or a duplicate. Else the session is not to be used again, and
 * nothing is known of the event. */
PBUS_MUST_USE pbus_status attempt_read(lane *l, event *e, pbus_error *err);

/* An event that waited and is due, if there is one. */
PBUS_MUST_USE pbus_status attempt_due(lane *l, bool *out_found, pbus_error *err);

#endif
