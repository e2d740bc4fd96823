/* The receiving end of a latency run that is a subscription of libpostbus_worker. */
#ifndef POSTBUS_BENCH_HANDLING_H
#define POSTBUS_BENCH_HANDLING_H

#include <postbus/worker.h>

#include "timeline.h"

/* A worker of the topic whose handler writes one row for each event and then notes when; it has its partitions. NULL: the reason was printed. */
pbus_worker *handling_start(timeline *line);

#endif
