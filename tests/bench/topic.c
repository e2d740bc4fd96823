/* Creates and deletes topics for the measurements. */
#include "bench.h"
#include "producer.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 30000

static rd_kafka_resp_err_t first_error(rd_kafka_event_t *event)
{
    if (!event)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (rd_kafka_event_error(event))
        return rd_kafka_event_error(event);
    size_t n = 0;
    const rd_kafka_topic_result_t **results = NULL;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    else
        results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
    return n > 0 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
}

static int ask(const bench_call *c,
               void (*send)(rd_kafka_t *, const bench_call *, rd_kafka_AdminOptions_t *, rd_kafka_queue_t *))
{
    rd_kafka_t *client = producer_new(c, NULL, NULL);
    if (!client)
        return 1;
    char reason[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_ANY);
    rd_kafka_AdminOptions_set_operation_timeout(options, TIMEOUT_MS, reason, sizeof reason);
    send(client, c, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
    rd_kafka_resp_err_t err = first_error(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return err ? bench_fault("the topic %s: %s", c->topic, rd_kafka_err2str(err)) : 0;
}

static void send_create(rd_kafka_t *client, const bench_call *c, rd_kafka_AdminOptions_t *options,
                        rd_kafka_queue_t *queue)
{
    char reason[256];
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(c->topic, c->partitions, 1, reason, sizeof reason);
    for (const char *const *one = (const char *const *)c->config; one && *one; one++) {
        const char *value = strchr(*one, '=');
        if (!value || (size_t)(value - *one) >= sizeof reason)
            continue;
        snprintf(reason, sizeof reason, "%.*s", (int)(value - *one), *one);
        rd_kafka_NewTopic_set_config(wanted, reason, value + 1);
    }
    rd_kafka_CreateTopics(client, &wanted, 1, options, queue);
    rd_kafka_NewTopic_destroy(wanted);
}

static void send_delete(rd_kafka_t *client, const bench_call *c, rd_kafka_AdminOptions_t *options,
                        rd_kafka_queue_t *queue)
{
    rd_kafka_DeleteTopic_t *unwanted = rd_kafka_DeleteTopic_new(c->topic);
    rd_kafka_DeleteTopics(client, &unwanted, 1, options, queue);
    rd_kafka_DeleteTopic_destroy(unwanted);
}

int bench_topic_create(const bench_call *c)
{
    return ask(c, send_create);
}

int bench_topic_delete(const bench_call *c)
{
    return ask(c, send_delete);
}
