/* Several real brokers as one cluster. Each node is broker and controller in one, so that a cluster of three outlives any one of them;
 * with two of three killed the third serves what it leads, and nothing changes until another is back. Topics that are named
 * have no leader while the node they are on is away. Fails the running cmocka test where something goes wrong. */
#ifndef POSTBUS_TEST_KAFKA_CLUSTER_H
#define POSTBUS_TEST_KAFKA_CLUSTER_H

#include "kafka_fixture.h"

#include <stdint.h>

typedef struct kafka_cluster kafka_cluster;

/* Starts n nodes, and waits until all serve. settings: of each, "name=value", ends with NULL; NULL = none. */
kafka_cluster *kafka_cluster_new(int n, const char *const *settings);
/* Kills all nodes and removes their data. NULL is taken. */
void kafka_cluster_free(kafka_cluster *c);

/* All nodes together: bootstrap.servers, and topics by kafka_fixture_create_topic and its kin. Cannot be stopped; borrowed. */
kafka_fixture *kafka_cluster_whole(kafka_cluster *c);
/* One node, from 1: to be stopped, killed, frozen and started by itself; borrowed. */
kafka_fixture *kafka_cluster_node(kafka_cluster *c, int node);
/* Starts together those that do not run, and waits until all serve. */
void kafka_cluster_start(kafka_cluster *c);
void kafka_cluster_kill(kafka_cluster *c);

/* A topic with replicas on as many nodes; the name, which no other test has, is for the caller to free. */
char *kafka_cluster_new_topic(kafka_cluster *c, const char *base, int n_partitions, int n_replicas,
                              const char *const *config);
/* A topic without spare replicas: partition i on nodes[i]. Likewise. */
char *kafka_cluster_place_topic(kafka_cluster *c, const char *base, const int32_t *nodes, int n_partitions);
/* Waits until a partition is led by the node; -1: by none. */
void kafka_cluster_expect_leader(kafka_cluster *c, const char *topic, int32_t partition, int32_t node);

#endif
