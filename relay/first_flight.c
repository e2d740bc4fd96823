/* Chooses partitions as configured and holds records back; must never let a second record follow a first one of unknown fate. */
#include "first_flight.h"

#include <stdlib.h>
#include <string.h>

/* librdkafka may ask for a partition again on a thread of its own, when a topic's partitions change. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char proven;

static const struct {
    const char *name;
    partition_chooser *choose;
} choosers[] = {
    {"murmur2_random", rd_kafka_msg_partitioner_murmur2_random},
    {"murmur2", rd_kafka_msg_partitioner_murmur2},
    {"consistent", rd_kafka_msg_partitioner_consistent},
    {"consistent_random", rd_kafka_msg_partitioner_consistent_random},
    {"fnv1a", rd_kafka_msg_partitioner_fnv1a},
    {"fnv1a_random", rd_kafka_msg_partitioner_fnv1a_random},
};

static partition_chooser *configured(const rd_kafka_topic_conf_t *conf)
{
    char name[64] = "";
    size_t size = sizeof name;
    rd_kafka_topic_conf_get(conf, "partitioner", name, &size);
    for (size_t i = 0; i < sizeof choosers / sizeof choosers[0]; i++)
        if (strcmp(choosers[i].name, name) == 0)
            return choosers[i].choose;
    return choosers[0].choose;
}

static bool make_room(first_flight *f, int32_t n_partitions)
{
    if (n_partitions <= f->n_partitions)
        return true;
    const void **bigger = realloc(f->first, (size_t)n_partitions * sizeof *bigger);
    if (!bigger)
        return false;
    for (int32_t i = f->n_partitions; i < n_partitions; i++)
        bigger[i] = NULL;
    f->first = bigger;
    f->n_partitions = n_partitions;
    return true;
}

static bool take(first_flight *f, int32_t partition, int32_t n_partitions, const void *record)
{
    if (!make_room(f, n_partitions))
        return false;
    const void **first = &f->first[partition];
    if (*first == &proven || *first == record)
        return true;
    if (*first)
        return false;
    *first = record;
    atomic_fetch_add(&f->n_in_flight, 1);
    return true;
}

static bool takes_any(const first_flight *f)
{
    return f->choose == rd_kafka_msg_partitioner_murmur2_random ||
           f->choose == rd_kafka_msg_partitioner_consistent_random ||
           f->choose == rd_kafka_msg_partitioner_fnv1a_random;
}

/* An event without a key need not wait for a partition that has no leader. */
static int32_t with_leader(const rd_kafka_topic_t *rkt, int32_t partition, int32_t n_partitions)
{
    for (int32_t i = 0; i < n_partitions; i++) {
        int32_t other = (partition + i) % n_partitions;
        if (rd_kafka_topic_partition_available(rkt, other))
            return other;
    }
    return partition;
}

static _Thread_local int32_t last_chosen = -1;

/* A partition that is none makes librdkafka refuse the record at once. */
static int32_t choose_or_hold(const rd_kafka_topic_t *rkt, const void *key, size_t key_size,
                              int32_t n_partitions, void *topic_opaque, void *record)
{
    first_flight *f = topic_opaque;
    int32_t partition = f->choose(rkt, key, key_size, n_partitions, NULL, NULL);
    if (partition < 0 || partition >= n_partitions)
        return partition;
    if (!key && takes_any(f))
        partition = with_leader(rkt, partition, n_partitions);
    last_chosen = partition;
    pthread_mutex_lock(&lock);
    f->held = !f->never_holds && !take(f, partition, n_partitions, record);
    f->held_at = partition;
    pthread_mutex_unlock(&lock);
    return f->held ? n_partitions : partition;
}

rd_kafka_topic_t *first_flight_open(first_flight *f, rd_kafka_t *rk, const char *name, struct topic *topic,
                                    bool hold)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(rk);
    *f = (first_flight){.topic = topic, .choose = configured(conf), .acked = !hold, .never_holds = !hold};
    rd_kafka_topic_conf_set_partitioner_cb(conf, choose_or_hold);
    rd_kafka_topic_conf_set_opaque(conf, f);
    return rd_kafka_topic_new(rk, name, conf);
}

void first_flight_close(first_flight *f)
{
    free(f->first);
    *f = (first_flight){0};
}

bool first_flight_may_send(const first_flight *f)
{
    return f->acked || !f->sent;
}

bool first_flight_goes_on(const first_flight *f)
{
    if (!first_flight_may_send(f) || !f->held)
        return first_flight_may_send(f);
    pthread_mutex_lock(&lock);
    bool goes_on = f->held_at >= f->n_partitions || f->first[f->held_at] == &proven || !f->first[f->held_at];
    pthread_mutex_unlock(&lock);
    return goes_on;
}

int32_t first_flight_chosen(void)
{
    return last_chosen;
}

void first_flight_forget_chosen(void)
{
    last_chosen = -1;
}

void first_flight_acked(first_flight *f, int32_t partition)
{
    f->acked = true;
    if (atomic_load_explicit(&f->n_in_flight, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&lock);
    if (partition < f->n_partitions && f->first[partition] != &proven) {
        if (f->first[partition])
            atomic_fetch_sub(&f->n_in_flight, 1);
        f->first[partition] = &proven;
    }
    pthread_mutex_unlock(&lock);
}
