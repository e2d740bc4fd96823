/* Reads topics into memory with a consumer that knows nothing of Postbus; commits no offset and joins no group. */
#include "topic_reader.h"

#include "cmocka_all.h"
#include "wait_until.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

enum { METADATA_MS = 120000, POLL_MS = 100 };

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char message[256];
    if (rd_kafka_conf_set(conf, name, value, message, sizeof message) != RD_KAFKA_CONF_OK)
        fail_msg("%s", message);
}

static rd_kafka_t *new_consumer(const char *brokers, const char *isolation)
{
    char message[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "postbus-test-reader");
    set(conf, "isolation.level", isolation);
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "fetch.wait.max.ms", "10"); /* else the end of a topic takes half a second to be told */
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "log_level", "0");
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, message, sizeof message);
    if (!consumer)
        fail_msg("%s", message);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

/* Assigns every partition of the topic, from its beginning; how many there are, 0 for a topic that is not (yet) there. */
static int assign_all(rd_kafka_t *consumer, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(consumer, 0, handle, &metadata, METADATA_MS);
    rd_kafka_topic_destroy(handle);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_msg("metadata of %s: %s", topic, rd_kafka_err2str(code));
    int n = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(n);
    for (int i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(all, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (n > 0)
        rd_kafka_assign(consumer, all);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_metadata_destroy(metadata);
    return n;
}

static char *copy_bytes(const void *bytes, size_t size)
{
    if (!bytes)
        return NULL;
    char *copy = malloc(size + 1);
    if (!copy)
        fail_msg("no memory for a record");
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

static void copy_headers(topic_record *record, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t n = rd_kafka_header_cnt(headers);
    record->headers = calloc(n, sizeof *record->headers);
    if (!record->headers && n > 0)
        fail_msg("no memory for headers");
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t size;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        record->headers[i] = (topic_header){.name = copy_bytes(name, strlen(name)),
                                            .value = copy_bytes(value, size),
                                            .value_size = value ? size : 0};
    }
    record->n_headers = n;
}

static void append(topic_records *records, const rd_kafka_message_t *message)
{
    if (records->n_rows == records->capacity) {
        records->capacity = records->capacity ? records->capacity * 2 : 256;
        records->rows = realloc(records->rows, records->capacity * sizeof *records->rows);
        if (!records->rows)
            fail_msg("no memory for records");
    }
    topic_record *record = &records->rows[records->n_rows++];
    *record = (topic_record){
        .key = copy_bytes(message->key, message->key_len),
        .key_size = message->key ? message->key_len : 0,
        .value = copy_bytes(message->payload, message->len),
        .value_size = message->payload ? message->len : 0,
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(message, NULL),
    };
    copy_headers(record, message);
}

typedef struct reading {
    rd_kafka_t *consumer;
    topic_records records;
    bool *at_end; /* by partition */
    int n_partitions;
    size_t at_least;
} reading;

static bool complete(const reading *r)
{
    for (int i = 0; i < r->n_partitions; i++) {
        if (!r->at_end[i])
            return false;
    }
    return r->n_partitions > 0 && r->records.n_rows >= r->at_least;
}

static void take(reading *r, const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        append(&r->records, message);
        r->at_end[message->partition] = false;
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        r->at_end[message->partition] = true;
    }
}

static void drop(rd_kafka_message_t *message)
{
    if (message)
        rd_kafka_message_destroy(message);
}

static topic_records read_topic(const char *brokers, const char *topic, const char *isolation,
                                size_t at_least, int deadline_ms)
{
    int64_t deadline = wait_now_ms() + deadline_ms;
    reading r = {.consumer = new_consumer(brokers, isolation), .at_least = at_least};
    while ((r.n_partitions = assign_all(r.consumer, topic)) == 0 && at_least > 0 && wait_now_ms() < deadline)
        drop(rd_kafka_consumer_poll(r.consumer, POLL_MS));
    r.at_end = calloc((size_t)r.n_partitions + 1, sizeof *r.at_end);
    while (r.n_partitions > 0 && !complete(&r) && wait_now_ms() < deadline) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(r.consumer, POLL_MS);
        if (!message)
            continue;
        take(&r, message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(r.consumer);
    rd_kafka_destroy(r.consumer);
    free(r.at_end);
    return r.records;
}

topic_records topic_read(const char *brokers, const char *topic, size_t at_least, int deadline_ms)
{
    return read_topic(brokers, topic, "read_uncommitted", at_least, deadline_ms);
}

topic_records topic_read_committed(const char *brokers, const char *topic, size_t at_least, int deadline_ms)
{
    return read_topic(brokers, topic, "read_committed", at_least, deadline_ms);
}

void topic_records_done(topic_records *records)
{
    for (size_t i = 0; i < records->n_rows; i++) {
        topic_record *record = &records->rows[i];
        for (size_t h = 0; h < record->n_headers; h++) {
            free(record->headers[h].name);
            free(record->headers[h].value);
        }
        free(record->headers);
        free(record->key);
        free(record->value);
    }
    free(records->rows);
    *records = (topic_records){0};
}

const char *topic_record_header(const topic_record *record, const char *name)
{
    for (size_t i = record->n_headers; i > 0; i--) {
        if (strcmp(record->headers[i - 1].name, name) == 0)
            return record->headers[i - 1].value;
    }
    return NULL;
}
