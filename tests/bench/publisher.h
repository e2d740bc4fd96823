/* The sending end of a latency run. */
#ifndef POSTBUS_BENCH_PUBLISHER_H
#define POSTBUS_BENCH_PUBLISHER_H

#include <librdkafka/rdkafka.h>

#include "timeline.h"

typedef struct publisher {
    timeline *line;
    int number;           /* sends the events number, number + threads, … */
    rd_kafka_t *producer; /* direct; NULL = publish in transactions */
} publisher;

/* A thread's body: arg is a publisher. */
void *publisher_main(void *arg);

#endif
