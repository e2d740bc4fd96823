/* librdkafka's configuration for a subscription. */
#ifndef POSTBUS_WORKER_KAFKA_H
#define POSTBUS_WORKER_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "feed.h"

/* Checks the settings of the application: unknown, malformed, or one that would break a promise. */
PBUS_MUST_USE pbus_status kafka_check(const worker_config *cfg, pbus_error *err);

/* A consumer in the group APPLICATION.KEY that has subscribed to the topics; opaque is given to the callback. NULL: message says why. */
rd_kafka_t *kafka_new(const feed *f,
                      void (*rebalance)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *,
                                        void *),
                      void (*complain)(rd_kafka_t *, int, const char *, void *), void *opaque, char *message,
                      size_t message_size);

/* A producer of records that nothing is to follow before they are acknowledged. report: of each. NULL: message says why. */
rd_kafka_t *kafka_new_producer(const feed *f,
                               void (*report)(rd_kafka_t *, const rd_kafka_message_t *, void *), void *opaque,
                               char *message, size_t message_size);

/* Asks a partition's leader, and waits for timeout_ms at most. since_ms: a time, or RD_KAFKA_OFFSET_BEGINNING or _END.
 *   out  the first record since then, or RD_KAFKA_OFFSET_END where there is none; where the partition begins or ends */
rd_kafka_resp_err_t kafka_offset(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t since_ms,
                                 int timeout_ms, int64_t *out);

#endif
