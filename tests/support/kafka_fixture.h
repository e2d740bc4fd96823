/* A real Kafka broker for tests. Fails the running cmocka test where something goes wrong.
 *
 * POSTBUS_TEST_KAFKA_VERSION or POSTBUS_TEST_KAFKA_CLASSPATH choose the version; POSTBUS_TEST_BROKERS names a broker that
 * serves the whole run. Topics are never created by themselves: auto.create.topics.enable is false. */
#ifndef POSTBUS_TEST_KAFKA_FIXTURE_H
#define POSTBUS_TEST_KAFKA_FIXTURE_H

#include <stdbool.h>

#include "net_proxy.h"

typedef struct kafka_fixture kafka_fixture;

/* Starts a broker of this test's own. settings: "name=value" of server.properties, ends with NULL; NULL = none. */
kafka_fixture *kafka_fixture_new(const char *const *settings);

/* The same with further listeners and users. arguments: "--listener", "NAME:PROTOCOL", "--scram", "USER:PASSWORD" and so on, ends with
 * NULL; they must live as long as the broker. */
kafka_fixture *kafka_fixture_new_listening(const char *const *arguments, const char *const *settings);

/* One that can also be reached through a proxy, by net_proxy_address, and then tells its clients to stay there. The proxy is aimed at it.
 * kafka_fixture_brokers is the direct way. */
kafka_fixture *kafka_fixture_new_behind(net_proxy *proxy, const char *const *settings);

/* Where a further listener is, for the caller to free: "localhost:PORT". */
char *kafka_fixture_listener(const kafka_fixture *kafka, const char *name);

/* The broker of the run (POSTBUS_TEST_BROKERS), which a test must neither stop nor configure; without one, a broker as above. */
kafka_fixture *kafka_fixture_shared(void);

/* For kafka_cluster.c: a node in a directory laid out by `kafka-broker prepare`, not started yet; and brokers that are others' to stop. */
kafka_fixture *kafka_fixture_of(const char *directory);
kafka_fixture *kafka_fixture_at(const char *brokers);
/* Starts the broker and waits for nothing; kafka_fixture_start does then. */
void kafka_fixture_launch(kafka_fixture *kafka);

/* Kills the broker, if it is this test's own, and removes its data. NULL is taken. */
void kafka_fixture_free(kafka_fixture *kafka);

/* For a broker of the test's own; over these it keeps its port and its data. */
void kafka_fixture_start(kafka_fixture *kafka);
void kafka_fixture_stop(kafka_fixture *kafka);
void kafka_fixture_kill(kafka_fixture *kafka);   /* SIGKILL */
void kafka_fixture_freeze(kafka_fixture *kafka); /* SIGSTOP: connections stay, nothing answers */
void kafka_fixture_thaw(kafka_fixture *kafka);

/* bootstrap.servers */
const char *kafka_fixture_brokers(const kafka_fixture *kafka);

/* Creates a topic. config: "name=value" such as "max.message.bytes=2000", ends with NULL; NULL = none. */
void kafka_fixture_create_topic(const kafka_fixture *kafka, const char *topic, int n_partitions,
                                const char *const *config);

/* Creates a topic whose name starts with base and that no other test has. The name is for the caller to free. */
char *kafka_fixture_new_topic(const kafka_fixture *kafka, const char *base, int n_partitions,
                              const char *const *config);

/* A topic's name as above, and no topic. */
char *kafka_fixture_new_name(const char *base);

/* Adds partitions and waits until they can be written to; n_partitions: how many it has then. */
void kafka_fixture_grow_topic(const kafka_fixture *kafka, const char *topic, int n_partitions);

void kafka_fixture_delete_topic(const kafka_fixture *kafka, const char *topic);

/* Sets settings of an existing topic, as config above; a setting that is not named returns to its default. When it returns, the broker acts by
 * them. */
void kafka_fixture_configure_topic(const kafka_fixture *kafka, const char *topic, const char *const *config);

#endif
