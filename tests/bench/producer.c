/* Makes a producer as the relay makes its own, so that a comparison is with the same promises; must never differ by itself. */
#include "producer.h"

#include <string.h>

/* As in relay/ship.c. */
static const char *const settings[] = {
    "enable.idempotence=true",
    "enable.gapless.guarantee=true",
    "max.in.flight.requests.per.connection=1",
    "queue.buffering.max.kbytes=2097151",
    "message.timeout.ms=0",
    "partitioner=murmur2_random",
    "socket.nagle.disable=true",
    "linger.ms=0",
    "compression.codec=lz4",
    "message.max.bytes=1000000000",
    "queue.buffering.max.messages=1000000",
    "client.id=postbus-bench",
    NULL,
};

static bool apply(rd_kafka_conf_t *conf, const char *const *pairs)
{
    for (; pairs && *pairs; pairs++) {
        char name[128], reason[256] = "it has no '='";
        const char *equals = strchr(*pairs, '=');
        if (equals)
            snprintf(name, sizeof name, "%.*s", (int)(equals - *pairs), *pairs);
        if (!equals || rd_kafka_conf_set(conf, name, equals + 1, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
            bench_fault("the setting %s: %s", *pairs, reason);
            return false;
        }
    }
    return true;
}

/* librdkafka calls the gapless guarantee experimental at each start. */
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    if (level <= 3)
        rd_kafka_log_print(producer, level, facility, text);
}

rd_kafka_t *producer_new(const bench_call *c,
                         void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *), void *arg)
{
    char reason[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", c->brokers ? c->brokers : "", reason, sizeof reason) !=
            RD_KAFKA_CONF_OK ||
        !apply(conf, settings) || !apply(conf, c->kafka)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_opaque(conf, arg);
    if (on_report)
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!producer) {
        rd_kafka_conf_destroy(conf);
        bench_fault("no producer: %s", reason);
    }
    return producer;
}
