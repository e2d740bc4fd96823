/* The receiving end of a latency run. */
#ifndef POSTBUS_BENCH_SUBSCRIBER_H
#define POSTBUS_BENCH_SUBSCRIBER_H

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>

#include "timeline.h"

/* A consumer of all partitions of the topic, from their ends as they are now; NULL: the reason was printed. */
rd_kafka_t *subscriber_new(const bench_call *c);

typedef struct subscriber {
    timeline *line;
    rd_kafka_t *consumer;
    PGconn *conn; /* for a transaction with one row for each event; NULL: none is written */
} subscriber;

/* A thread's body: arg is a subscriber. Ends when line->over. */
void *subscriber_main(void *arg);

#endif
