/* Reads the topics with a plain consumer; it must never take part in a group nor skip an offset. */
#include "topic_log.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADMIN_TIMEOUT_MS 30000
#define SILENCE_MS 30000 /* no record and no end of a partition for so long: the broker is not well */

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *brokers)
{
    static const char *const settings[][2] = {{"group.id", "torture"},
                                              {"isolation.level", "read_committed"},
                                              {"enable.auto.commit", "false"},
                                              {"enable.auto.offset.store", "false"},
                                              {"enable.partition.eof", "true"},
                                              {"fetch.wait.max.ms", "10"},
                                              {"log_level", "2"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    for (size_t i = type == RD_KAFKA_CONSUMER ? 0 : 6; i < sizeof settings / sizeof *settings; i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why);
    rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        fprintf(stderr, "torture: no Kafka client: %s\n", why);
    }
    return rk;
}

static bool all_created(rd_kafka_event_t *event)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **results;

    if (!event || rd_kafka_event_error(event)) {
        fprintf(stderr, "torture: topics not created: %s\n",
                event ? rd_kafka_event_error_string(event) : "timed out");
        return false;
    }
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    for (size_t i = 0; i < n; i++) {
        if (rd_kafka_topic_result_error(results[i])) {
            fprintf(stderr, "torture: topic %s not created: %s\n", rd_kafka_topic_result_name(results[i]),
                    rd_kafka_err2str(rd_kafka_topic_result_error(results[i])));
            return false;
        }
    }
    return true;
}

bool topic_log_create_topics(const plan *p)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, p->brokers);
    rd_kafka_NewTopic_t *topics[STAGE_TOPICS];
    char why[256];

    if (!rk)
        return false;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_TIMEOUT_MS, why, sizeof why);
    for (int i = 0; i < STAGE_TOPICS; i++)
        topics[i] = rd_kafka_NewTopic_new(p->topics[i], STAGE_PARTITIONS, p->n_copies, why, sizeof why);
    rd_kafka_CreateTopics(rk, topics, STAGE_TOPICS, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
    bool ok = all_created(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy_array(topics, STAGE_TOPICS);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return ok;
}

static uint64_t identity_of(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    const void *id;
    size_t size;

    if (rd_kafka_message_headers(m, &headers) || rd_kafka_header_get_last(headers, "id", &id, &size))
        return 0;
    return bytes_hash(0, id, size);
}

/* A value begins with the event's token in decimal. What is none of ours becomes token 0, which no event has.
 */
static uint64_t token_of(const rd_kafka_message_t *m)
{
    uint64_t token = 0;
    const char *text = m->payload;

    for (size_t i = 0; i < m->len && text[i] >= '0' && text[i] <= '9'; i++)
        token = token * 10 + (uint64_t)(text[i] - '0');
    return token;
}

static bool keep(const plan *p, const rd_kafka_message_t *m, topic_log *log)
{
    const char *topic = rd_kafka_topic_name(m->rkt);
    uint32_t place = (uint32_t)m->partition;

    if (log->n == log->capacity) {
        size_t capacity = log->capacity ? log->capacity * 2 : 65536;
        log_record *grown = realloc(log->records, capacity * sizeof *grown);

        if (!grown)
            return false;
        log->records = grown;
        log->capacity = capacity;
    }
    for (uint32_t i = 0; i < STAGE_TOPICS; i++)
        if (strcmp(topic, p->topics[i]) == 0)
            place += 1000 * i;
    log->records[log->n++] = (log_record){.token = token_of(m),
                                          .stream = stream_hash(topic, m->key, m->key_len),
                                          .identity = identity_of(m),
                                          .place = place};
    return true;
}

static bool read_to_ends(rd_kafka_t *rk, const plan *p, topic_log *log)
{
    int open = STAGE_TOPICS * STAGE_PARTITIONS;
    int64_t give_up_ms = now_ms() + SILENCE_MS;

    while (open > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 500);
        bool ok = true;

        if (m) {
            if (!m->err)
                ok = keep(p, m, log);
            open -= m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (!m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
                give_up_ms = now_ms() + SILENCE_MS;
            rd_kafka_message_destroy(m);
        }
        if (!ok || now_ms() >= give_up_ms) {
            fprintf(stderr, "torture: the topics cannot be read to their end\n");
            return false;
        }
    }
    return true;
}

bool topic_log_read(const plan *p, topic_log *out)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, p->brokers);
    rd_kafka_topic_partition_list_t *all;
    bool ok;

    memset(out, 0, sizeof *out);
    if (!rk)
        return false;
    rd_kafka_poll_set_consumer(rk);
    all = rd_kafka_topic_partition_list_new(STAGE_TOPICS * STAGE_PARTITIONS);
    for (int t = 0; t < STAGE_TOPICS; t++)
        for (int i = 0; i < STAGE_PARTITIONS; i++)
            rd_kafka_topic_partition_list_add(all, p->topics[t], i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    ok = !rd_kafka_assign(rk, all) && read_to_ends(rk, p, out);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return ok;
}

void topic_log_free(topic_log *log)
{
    free(log->records);
    memset(log, 0, sizeof *log);
}
