/* Events of transactions that a failover lost: Kafka may have them, the database has not. */
#ifndef POSTBUS_CHAOS_GHOSTS_H
#define POSTBUS_CHAOS_GHOSTS_H

#include "topic_log.h"
#include "truth.h"

/* Takes out of the log what committed on the lost server (whose tables are before) and not on the present one; how many records.
 * -1: no memory. Sorts both truths. */
int64_t ghosts_remove(const truth *committed, const truth *before, topic_log *log);

/* Events that came under an event id which another event in the log has: a subscriber would take them for a repetition. -1: no memory. */
int64_t ghosts_shared_ids(const topic_log *log);

#endif
