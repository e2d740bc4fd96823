/* Brings up the nodes that `kafka-broker prepare` laid out; must never start them one after the other: the first would wait for the second. */
#include "kafka_cluster.h"

#include "cmocka_all.h"
#include "kafka_admin.h"
#include "proc_fixture.h"
#include "wait_until.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_NODES = 9, DEADLINE_MS = 180000 };

struct kafka_cluster {
    char directory[64];
    int n;
    kafka_fixture *nodes[MOST_NODES];
    kafka_fixture *whole;
};

static void lay_out(const kafka_cluster *c, const char *const *settings)
{
    char n[16];
    const char *argv[40] = {POSTBUS_SUPPORT_DIR "/kafka-broker", "prepare", c->directory, "--nodes", n};
    size_t at = 5;
    snprintf(n, sizeof n, "%d", c->n);
    for (; settings && *settings; settings++) {
        assert_true(at + 2 < sizeof argv / sizeof argv[0]);
        argv[at++] = "--set";
        argv[at++] = *settings;
    }
    char *text = NULL;
    if (proc_fixture_run(argv, NULL, &text, DEADLINE_MS) != 0)
        fail_msg("a cluster could not be laid out: %s", text ? text : "");
    free(text);
}

static kafka_fixture *find_whole(const kafka_cluster *c)
{
    char path[96], brokers[256];
    snprintf(path, sizeof path, "%s/brokers", c->directory);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%255s", brokers) != 1)
        fail_msg("%s does not say where the brokers listen", path);
    fclose(file);
    return kafka_fixture_at(brokers);
}

kafka_cluster *kafka_cluster_new(int n, const char *const *settings)
{
    kafka_cluster *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_in_range(n, 1, MOST_NODES);
    c->n = n;
    const char *folder = getenv("POSTBUS_TEST_TMP");
    snprintf(c->directory, sizeof c->directory, "%s/postbus-kafka.XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(c->directory))
        fail_msg("mkdtemp %s failed", c->directory);
    lay_out(c, settings);
    c->whole = find_whole(c);
    for (int i = 0; i < n; i++) {
        char directory[80];
        snprintf(directory, sizeof directory, "%s/%d", c->directory, i + 1);
        c->nodes[i] = kafka_fixture_of(directory);
    }
    kafka_cluster_start(c);
    return c;
}

void kafka_cluster_free(kafka_cluster *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n; i++)
        kafka_fixture_free(c->nodes[i]);
    kafka_fixture_free(c->whole);
    proc_fixture_run((const char *const[]){"rm", "-rf", c->directory, NULL}, NULL, NULL, DEADLINE_MS);
    free(c);
}

kafka_fixture *kafka_cluster_whole(kafka_cluster *c)
{
    return c->whole;
}

kafka_fixture *kafka_cluster_node(kafka_cluster *c, int node)
{
    assert_in_range(node, 1, c->n);
    return c->nodes[node - 1];
}

void kafka_cluster_start(kafka_cluster *c)
{
    for (int i = 0; i < c->n; i++)
        kafka_fixture_launch(c->nodes[i]);
    for (int i = 0; i < c->n; i++)
        kafka_fixture_start(c->nodes[i]);
}

void kafka_cluster_kill(kafka_cluster *c)
{
    for (int i = 0; i < c->n; i++)
        kafka_fixture_kill(c->nodes[i]);
}

/* ---- topics ---- */

char *kafka_cluster_new_topic(kafka_cluster *c, const char *base, int n_partitions, int n_replicas,
                              const char *const *config)
{
    char message[512], *name = kafka_fixture_new_name(base);
    if (!kafka_admin_create_replicated_topic(kafka_fixture_brokers(c->whole), name, n_partitions, n_replicas,
                                             config, message, sizeof message))
        fail_msg("topic %s: %s", name, message);
    return name;
}

char *kafka_cluster_place_topic(kafka_cluster *c, const char *base, const int32_t *nodes, int n_partitions)
{
    char message[512], *name = kafka_fixture_new_name(base);
    if (!kafka_admin_place_topic(kafka_fixture_brokers(c->whole), name, nodes, n_partitions, message,
                                 sizeof message))
        fail_msg("topic %s: %s", name, message);
    return name;
}

typedef struct question {
    kafka_cluster *cluster;
    const char *topic;
    int32_t partition, node;
} question;

static bool is_led(void *arg)
{
    const question *q = arg;
    return kafka_admin_leader(kafka_fixture_brokers(q->cluster->whole), q->topic, q->partition) == q->node;
}

void kafka_cluster_expect_leader(kafka_cluster *c, const char *topic, int32_t partition, int32_t node)
{
    question q = {c, topic, partition, node};
    if (!wait_until(is_led, &q, DEADLINE_MS))
        fail_msg("partition %d of %s is never led by node %d", (int)partition, topic, (int)node);
}
