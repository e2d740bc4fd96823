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
    {"enable.auto.commit", "positions are kept in PostgreSQL"},
    {"auto.commit.interval.ms", "positions are kept in PostgreSQL"},
    {"auto.commit.enable", "positions are kept in PostgreSQL"},
    {"enable.auto.offset.store", "positions are kept in PostgreSQL"},
    {"offset.store.method", "positions are kept in PostgreSQL"},
    {"auto.offset.reset", "the subscription's begin says it, and what is gone is told"},
    {"partition.assignment.strategy", "cooperative assignment loses partitions in librdkafka 2.0.2"},
    {"enable.partition.eof", "the worker has no use for it"},
};

static const struct {
    const char *name, *value;
} ours[] = {
    {"enable.auto.commit", "false"},         {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},          {"partition.assignment.strategy", "range,roundrobin"},
    {"queued.max.messages.kbytes", "16384"}, /* what was fetched and not taken: thrown away by a pause */
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

static bool configure(rd_kafka_conf_t *conf, const feed *f, char *message, size_t size)
{
    char group[256];
    snprintf(group, sizeof group, "%s.%s", f->cfg->application, f->sub->key);
    bool ok = set(conf, "client.id", f->cfg->application, message, size);
    for (size_t i = 0; ok && i < sizeof ours / sizeof ours[0]; i++)
        ok = set(conf, ours[i].name, ours[i].value, message, size);
    for (size_t i = 0; ok && i < f->cfg->n_kafka; i++)
        ok = set(conf, f->cfg->kafka[i].name, f->cfg->kafka[i].value, message, size);
    return ok && set(conf, "bootstrap.servers", f->cfg->brokers, message, size) &&
           set(conf, "group.id", group, message, size);
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
    rd_kafka_t *rk = configure(conf, f, message, message_size)
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
