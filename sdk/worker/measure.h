/* What a worker tells of itself at a moment: numbers for scrapers, and whether it is ready and alive. */
#ifndef POSTBUS_WORKER_MEASURE_H
#define POSTBUS_WORKER_MEASURE_H

#include "census.h"
#include "subscriber_metrics.h"

/* Counts of the process, as they are now. */
pbus_worker_counts measure_counts(feed *f);

/* topics: room for one for each topic of the subscription; they are what out->topics points to. */
void measure_feed(feed *f, const census_answer *known, subscriber_topic *topics, subscriber_measures *out);

/* Reads its partitions, or has been given none. Otherwise one line says why not; where it is ready, what it is. */
bool measure_is_ready(feed *f, char *reason, size_t reason_size);
/* Not stuck: what the process should be started anew for. */
bool measure_is_alive(feed *f, char *reason, size_t reason_size);

/* It has been ended, in the database or by a stop: nothing is to be asked of it. */
bool measure_is_over(feed *f);

#endif
