/* Topics by the admin interface of librdkafka, each call over a connection of its own. False: message says why. */
#ifndef POSTBUS_TEST_KAFKA_ADMIN_H
#define POSTBUS_TEST_KAFKA_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* config: "name=value", ends with NULL; NULL = none. One replica a partition. */
bool kafka_admin_create_topic(const char *brokers, const char *topic, int n_partitions,
                              const char *const *config, char *message, size_t message_size);
/* n_replicas of each partition, where the brokers choose. */
bool kafka_admin_create_replicated_topic(const char *brokers, const char *topic, int n_partitions,
                                         int n_replicas, const char *const *config, char *message,
                                         size_t message_size);
/* One replica a partition: partition i on the broker nodes[i]. */
bool kafka_admin_place_topic(const char *brokers, const char *topic, const int32_t *nodes, int n_partitions,
                             char *message, size_t message_size);
/* Which broker leads a partition, by what the brokers say that can be reached; -1: none, or nobody knows. */
int32_t kafka_admin_leader(const char *brokers, const char *topic, int32_t partition);
/* Allows a user to do something. resource: RD_KAFKA_RESOURCE_TOPIC with a name or its beginning, RD_KAFKA_RESOURCE_BROKER for the cluster;
 * operation: RD_KAFKA_ACL_OPERATION_WRITE and so on. */
bool kafka_admin_allow(const char *brokers, const char *user, int resource, const char *name, int operation,
                       char *message, size_t message_size);
bool kafka_admin_configure_topic(const char *brokers, const char *topic, const char *const *config,
                                 char *message, size_t message_size);
/* Whether a broker shows that value of a topic's setting. */
bool kafka_admin_topic_has(const char *brokers, const char *topic, const char *name, const char *value);
/* n_partitions: how many it has then. */
bool kafka_admin_grow_topic(const char *brokers, const char *topic, int n_partitions, char *message,
                            size_t message_size);
/* With all its offsets. */
bool kafka_admin_delete_group(const char *brokers, const char *group, char *message, size_t message_size);
bool kafka_admin_delete_topic(const char *brokers, const char *topic, char *message, size_t message_size);

#endif
