/* Records that a test produces have to arrive: rd_kafka_flush is content once none is left, delivered or not. */
#ifndef POSTBUS_TEST_DELIVERED_H
#define POSTBUS_TEST_DELIVERED_H

#include <librdkafka/rdkafka.h>

/* For a producer of that configuration, which has no other delivery report callback. */
void delivered_watch(rd_kafka_conf_t *conf);
/* Fails the test unless all that such producers produced is delivered within the time. */
void delivered_all(rd_kafka_t *producer, int within_ms);

#endif
