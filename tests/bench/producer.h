/* A librdkafka producer with the settings of the relay's. */
#ifndef POSTBUS_BENCH_PRODUCER_H
#define POSTBUS_BENCH_PRODUCER_H

#include <librdkafka/rdkafka.h>

#include "bench.h"

/* NULL: the reason was printed. on_report may be NULL; it is called from rd_kafka_poll. */
rd_kafka_t *producer_new(const bench_call *c,
                         void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *), void *arg);

#endif
