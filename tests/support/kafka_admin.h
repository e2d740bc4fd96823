/* Topics by the admin interface of librdkafka, each call over a connection of its own. False: message says why. */
#ifndef POSTBUS_TEST_KAFKA_ADMIN_H
#define POSTBUS_TEST_KAFKA_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

/* config: "name=value", ends with NULL; NULL = none. */
bool kafka_admin_create_topic(const char *brokers, const char *topic, int n_partitions,
                              const char *const *config, char *message, size_t message_size);
bool kafka_admin_configure_topic(const char *brokers, const char *topic, const char *const *config,
                                 char *message, size_t message_size);
/* n_partitions: how many it has then. */
bool kafka_admin_grow_topic(const char *brokers, const char *topic, int n_partitions, char *message,
                            size_t message_size);
bool kafka_admin_delete_topic(const char *brokers, const char *topic, char *message, size_t message_size);

#endif
