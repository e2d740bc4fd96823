/* The first flight: one record in flight a producer and partition until it is acknowledged. A broker takes any first sequence of a
 * producer it does not know, and librdkafka keeps a further request prepared even with one in flight: were the first record of a
 * partition refused, the one behind it would be written. */
#ifndef POSTBUS_RELAY_FIRST_FLIGHT_H
#define POSTBUS_RELAY_FIRST_FLIGHT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef int32_t partition_chooser(const rd_kafka_topic_t *rkt, const void *key, size_t key_size,
                                  int32_t n_partitions, void *topic_opaque, void *record_opaque);

/* Of one topic of one producer. Zeroed: nothing was sent yet. */
typedef struct first_flight {
    struct topic *topic;       /* whose it is; NULL in tests */
    partition_chooser *choose; /* the configured partitioner */
    const void **first;        /* by partition: NULL, the record in flight, or that it is proven */
    int32_t n_partitions;
    atomic_int n_in_flight; /* first records in flight */
    bool sent, acked;       /* any of the topic: before the first answer the partitions are not known */
    bool held;              /* the last record was held back, behind the first one of held_at */
    int32_t held_at;
    bool never_holds;
} first_flight;

/* A handle of the topic whose partitioner holds records back, if hold is set; opaque is rd_kafka_topic_opaque's. NULL: no memory. */
rd_kafka_topic_t *first_flight_open(first_flight *f, rd_kafka_t *rk, const char *name, struct topic *topic,
                                    bool hold);
void first_flight_close(first_flight *f);
/* Whether a record of the topic may be handed over at all. */
bool first_flight_may_send(const first_flight *f);
/* Whether what was held back, or may not be handed over, may be tried again. */
bool first_flight_goes_on(const first_flight *f);
/* The partition that was chosen last on this thread; to be forgotten before a record is handed over. -1: none was. */
int32_t first_flight_chosen(void);
void first_flight_forget_chosen(void);
/* A record of the topic was acknowledged. */
void first_flight_acked(first_flight *f, int32_t partition);

#endif
