/* Configures librdkafka; must never let an application set what the worker's promises rest on. */
#include "kafka.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "failure.h"

/* Each with the reason why the worker keeps it. */
static const struct {
    const char *name, *reason;
} kept[] = {
    {"bootstrap.servers", "the option brokers says it"},
    {"metadata.broker.list", "the option brokers says it"},
    {"group.id", "the group is APPLICATION.KEY"},
    {"enable.auto.commit", "the worker stores positions, of what is done"},
    {"auto.commit.interval.ms", "the worker stores positions, of what is done"},
    {"auto.commit.enable", "the worker stores positions, of what is done"},
    {"enable.auto.offset.store", "the worker stores positions, of what is done"},
    {"offset.store.method", "the worker stores positions, of what is done"},
    {"auto.offset.reset", "the subscription's begin says it, and what is gone is told"},
    {"partition.assignment.strategy", "cooperative assignment loses partitions in librdkafka 2.0.2"},
    {"enable.partition.eof", "the worker has no use for it"},
};

typedef struct kafka_value {
    const char *name, *value;
} kafka_value;

static const kafka_value of_consumers[] = {
    {"enable.auto.commit", "false"},         {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},          {"partition.assignment.strategy", "range,roundrobin"},
    {"queued.max.messages.kbytes", "16384"}, /* what was fetched and not taken: thrown away by a pause */
};

/* One record at a time, so order needs no idempotence; what is not acknowledged in time is sent again by whoever wants it. Keys go where the relay puts them. */
static const kafka_value of_producers[] = {
    {"acks", "all"},
    {"max.in.flight.requests.per.connection", "1"},
    {"message.timeout.ms", "10000"},
    {"linger.ms", "0"},
    {"partitioner", "murmur2_random"},
};

static pbus_status check_one(rd_kafka_conf_t *conf, const setting *given, pbus_error *err)
{
    char why[256];
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcasecmp(kept[i].name, given->name) == 0)
            return failure(err, PBUS_ERROR_ARGUMENT, "the setting %s of librdkafka is the worker's own: %s",
                           given->name, kept[i].reason);
    if (rd_kafka_conf_set(conf, given->name, given->value, why, sizeof why) != RD_KAFKA_CONF_OK)
        return failure(err, PBUS_ERROR_ARGUMENT, "librdkafka refuses %s = \"%s\": %s", given->name,
                       given->value, why);
    return PBUS_OK;
}

pbus_status kafka_check(const worker_config *cfg, pbus_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    pbus_status status = PBUS_OK;
    for (size_t i = 0; i < cfg->n_kafka && status == PBUS_OK; i++)
        status = check_one(conf, &cfg->kafka[i], err);
    rd_kafka_conf_destroy(conf);
    return status;
}

static void say_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char *message, size_t size)
{
    return rd_kafka_conf_set(conf, name, value, message, size) == RD_KAFKA_CONF_OK;
}

static bool set_all(rd_kafka_conf_t *conf, const kafka_value *values, size_t n, char *message, size_t size)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = set(conf, values[i].name, values[i].value, message, size);
    return ok;
}

/* What the application says is for its consumers, but they and producers reach the same brokers; librdkafka passes over what the one kind has no use for. */
static bool configure(rd_kafka_conf_t *conf, const feed *f, char *message, size_t size)
{
    bool ok = set(conf, "client.id", f->cfg->application, message, size);
    for (size_t i = 0; ok && i < f->cfg->n_kafka; i++)
        ok = set(conf, f->cfg->kafka[i].name, f->cfg->kafka[i].value, message, size);
    return ok && set(conf, "bootstrap.servers", f->cfg->brokers, message, size);
}

static bool names(const worker_config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_kafka; i++)
        if (strcasecmp(cfg->kafka[i].name, name) == 0)
            return true;
    return false;
}

/* Where the application says how long it is at least, it says how long it is at most: librdkafka refuses a least above our most. */
static bool reconnect_soon(rd_kafka_conf_t *conf, const feed *f, char *message, size_t size)
{
    return names(f->cfg, "reconnect.backoff.ms") ||
           set(conf, "reconnect.backoff.max.ms", "2000", message, size);
}

static bool configure_consumer(rd_kafka_conf_t *conf, const feed *f, char *message, size_t size)
{
    char group[256];
    snprintf(group, sizeof group, "%s.%s", f->cfg->application, f->sub->key);
    return set_all(conf, of_consumers, sizeof of_consumers / sizeof of_consumers[0], message, size) &&
           reconnect_soon(conf, f, message, size) && configure(conf, f, message, size) &&
           set(conf, "group.id", group, message, size);
}

/* Last what the promises about dead letters rest on, and that a stop does not wait for ever: the application's acks and timeouts are not refused, as
 * consumers have no use for them. */
static bool configure_producer(rd_kafka_conf_t *conf, const feed *f, char *message, size_t size)
{
    return configure(conf, f, message, size) &&
           set_all(conf, of_producers, sizeof of_producers / sizeof of_producers[0], message, size);
}

static bool subscribe(rd_kafka_t *rk, const feed *f, char *message, size_t size)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)f->sub->n_topics);
    for (size_t i = 0; i < f->sub->n_topics; i++)
        rd_kafka_topic_partition_list_add(topics, f->sub->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(message, size, "%s", rd_kafka_err2str(code));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_t *kafka_new(const feed *f,
                      void (*rebalance)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *,
                                        void *),
                      void (*complain)(rd_kafka_t *, int, const char *, void *), void *opaque, char *message,
                      size_t message_size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, say_nothing);
    rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    rd_kafka_conf_set_error_cb(conf, complain);
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_t *rk = configure_consumer(conf, f, message, message_size)
                         ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, message, message_size)
                         : NULL;
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_poll_set_consumer(rk);
    if (subscribe(rk, f, message, message_size))
        return rk;
    rd_kafka_destroy(rk);
    return NULL;
}

rd_kafka_t *kafka_new_producer(const feed *f,
                               void (*report)(rd_kafka_t *, const rd_kafka_message_t *, void *), void *opaque,
                               char *message, size_t message_size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, say_nothing);
    rd_kafka_conf_set_dr_msg_cb(conf, report);
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_t *rk = configure_producer(conf, f, message, message_size)
                         ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, message_size)
                         : NULL;
    if (!rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

/* Not rd_kafka_query_watermark_offsets, which waits for a leader that does not answer for ever (librdkafka before 2.3.0). */
rd_kafka_resp_err_t kafka_offset(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t since_ms,
                                 int timeout_ms, int64_t *out)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, topic, partition);
    one->offset = since_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = one->err;
    *out = one->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}
