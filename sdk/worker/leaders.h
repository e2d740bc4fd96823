/* What the leaders of partitions say of where these begin and end. */
#ifndef POSTBUS_WORKER_LEADERS_H
#define POSTBUS_WORKER_LEADERS_H

#include <librdkafka/rdkafka.h>

#include "feed.h"

/* Where a partition begins and ends in Kafka, and where it is to be begun; -1: no broker tells. All or none. */
typedef struct leaders_ends {
    int64_t low, high, start;
} leaders_ends;

/* Asks about each partition, of which `offset` says where it is to be begun: a time in milliseconds, which is the first record since then or the end, or
 * RD_KAFKA_OFFSET_BEGINNING. RD_KAFKA_OFFSET_INVALID: it is not asked about.
 *   until_ms  by feed_now_ms: nothing is waited for any longer; nor is it once the feed stops
 *   from      in: with which partition to begin; out: with which to begin next time, so that the last ones are reached, too
 *   out       room for as many as there are partitions */
void leaders_ask(feed *f, rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions, int64_t until_ms,
                 int *from, leaders_ends *out);

#endif
