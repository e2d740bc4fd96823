/* Notes when each record came, or when a row was written for it; must never do anything else between two records. */
#include "subscriber.h"

#include "effect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 10000

static const char *const settings[][2] = {
    {"group.id", "postbus-bench"}, {"enable.auto.commit", "false"},  {"fetch.wait.max.ms", "10"},
    {"fetch.min.bytes", "1"},      {"socket.nagle.disable", "true"}, {"fetch.error.backoff.ms", "1"},
    {"check.crcs", "false"},
};

static rd_kafka_t *make(const bench_call *c)
{
    char reason[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool ok = rd_kafka_conf_set(conf, "bootstrap.servers", c->brokers ? c->brokers : "", reason,
                                sizeof reason) == RD_KAFKA_CONF_OK;
    for (size_t i = 0; ok && i < sizeof settings / sizeof settings[0]; i++)
        ok = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason) ==
             RD_KAFKA_CONF_OK;
    rd_kafka_t *consumer = ok ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason) : NULL;
    if (!consumer) {
        rd_kafka_conf_destroy(conf);
        bench_fault("no consumer: %s", reason);
    }
    return consumer;
}

static rd_kafka_resp_err_t assign_ends(rd_kafka_t *consumer, const char *topic, int n_partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n_partitions);
    for (int i = 0; i < n_partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(consumer, list, TIMEOUT_MS);
    for (int i = 0; i < n_partitions && !err; i++)
        err = list->elems[i].err;
    if (!err)
        err = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

static rd_kafka_resp_err_t assign(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(consumer, 0, handle, &metadata, TIMEOUT_MS);
    int n_partitions = err ? 0 : metadata->topics[0].partition_cnt;
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    if (!err && n_partitions == 0)
        err = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    rd_kafka_topic_destroy(handle);
    return err ? err : assign_ends(consumer, topic, n_partitions);
}

rd_kafka_t *subscriber_new(const bench_call *c)
{
    rd_kafka_t *consumer = make(c);
    if (!consumer)
        return NULL;
    rd_kafka_poll_set_consumer(consumer);
    /* A topic that was just created has no leader for a moment. */
    rd_kafka_resp_err_t err;
    int64_t until_ns = bench_now_ns() + TIMEOUT_MS * INT64_C(1000000);
    while ((err = assign(consumer, c->topic)) && bench_now_ns() < until_ns)
        rd_kafka_poll(consumer, 50);
    if (!err)
        return consumer;
    bench_fault("the topic %s cannot be read: %s", c->topic, rd_kafka_err2str(err));
    rd_kafka_destroy(consumer);
    return NULL;
}

static bool run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

/* As the worker's handler does it: noted when the row is written, which is before the commit. */
static bool handle(subscriber *s, const rd_kafka_message_t *m)
{
    if (s->conn && !(run(s->conn, "BEGIN") && effect_write(s->conn, m->key, m->key_len, m->payload, m->len)))
        return false;
    timeline_receive(s->line, m->payload, m->len, bench_now_ns());
    return !s->conn || run(s->conn, "COMMIT");
}

void *subscriber_main(void *arg)
{
    subscriber *s = arg;
    while (!atomic_load(&s->line->over)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(s->consumer, 50);
        if (!m)
            continue;
        if (!m->err && !handle(s, m))
            atomic_store(&s->line->failed, true);
        rd_kafka_message_destroy(m);
    }
    return NULL;
}
