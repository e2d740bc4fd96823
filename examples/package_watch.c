/* A plain Kafka subscriber of the topic that package_log publishes to: prints what comes, and needs nothing of Postbus but, for Avro, its decoder.
 * SIGTERM: it reads what the topic holds at that moment, then ends. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>

#include "avro_json.h"

#define TOPIC "packages"
#define MAX_PARTITIONS 64
#define ANSWER_TIMEOUT_MS 5000
#define DRAIN_TIMEOUT_MS 30000

typedef struct package_watch {
    rd_kafka_t *consumer;
    pbus_decoder *decoder;
    FILE *record; /* one line a record: received (µs since 1970), partition, offset, id, key, value */
    long every;   /* one record of so many is printed; all are counted */
    long n_records;
    int n_partitions;
    int64_t next[MAX_PARTITIONS]; /* the offset that is read next */
} package_watch;

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
    (void)number;
    told_to_stop = 1;
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void print_record(const package_watch *watch, const rd_kafka_message_t *message,
                         const pbus_buffer *value)
{
    json_t *object = json_loadb((const char *)value->data, value->size, 0, NULL);
    const char *package = "", *state = "", *version = "";
    json_int_t change = 0;
    json_unpack(object, "{s:s, s:I, s:s, s:s}", "package", &package, "change", &change, "state", &state,
                "version", &version);
    if (watch->n_records == 0)
        printf("    %9s %7s  %-30s %6s  %-16s %s\n", "partition", "offset", "key", "change", "state",
               "version");
    printf("    %9" PRId32 " %7" PRId64 "  %-30.30s %6lld  %-16s %.24s\n", message->partition,
           message->offset, package, (long long)change, state, version);
    fflush(stdout);
    json_decref(object);
}

static void write_record(FILE *record, const rd_kafka_message_t *message, const pbus_buffer *value,
                         long long received_us)
{
    rd_kafka_headers_t *headers = NULL;
    const void *id = "";
    size_t id_size = 0;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_header_get_last(headers, "id", &id, &id_size);
    fprintf(record, "%lld\t%" PRId32 "\t%" PRId64 "\t%.*s\t%.*s\t%.*s\n", received_us, message->partition,
            message->offset, (int)id_size, (const char *)id, (int)message->key_len,
            message->key ? (const char *)message->key : "", (int)value->size,
            value->data ? (const char *)value->data : "");
}

static void take(package_watch *watch, const rd_kafka_message_t *message)
{
    long long received_us = now_us();
    pbus_buffer value = PBUS_BUFFER_INIT;
    avro_json(watch->decoder, message->payload, message->len, &value);
    if (watch->n_records % watch->every == 0)
        print_record(watch, message, &value);
    if (watch->record)
        write_record(watch->record, message, &value, received_us);
    pbus_buffer_done(&value);
    watch->next[message->partition] = message->offset + 1;
    watch->n_records++;
}

/* The number of the topic's partitions, or 0 while it does not exist. */
static int count_partitions(rd_kafka_t *consumer)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, TOPIC, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    int n = 0;
    if (rd_kafka_metadata(consumer, 0, topic, &metadata, ANSWER_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR)
            n = metadata->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return n;
}

/* Waits until the topic exists, then reads all of it from the beginning, without a group. */
static bool assign(package_watch *watch)
{
    while ((watch->n_partitions = count_partitions(watch->consumer)) == 0) {
        if (told_to_stop)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    if (watch->n_partitions > MAX_PARTITIONS)
        return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(watch->n_partitions);
    for (int i = 0; i < watch->n_partitions; i++)
        rd_kafka_topic_partition_list_add(list, TOPIC, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    bool ok = rd_kafka_assign(watch->consumer, list) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

/* Handles what arrives within the time given. */
static void poll_once(package_watch *watch, int timeout_ms)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(watch->consumer, timeout_ms);
    if (!message)
        return;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        take(watch, message);
    else
        fprintf(stderr, "package_watch: %s\n", rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
}

/* Where the partitions begin or end; NULL: a broker has not told in time. Not by rd_kafka_query_watermark_offsets: before librdkafka 2.3.0 that waits for
 * ever for a broker that does not answer. */
static rd_kafka_topic_partition_list_t *ask_offsets(package_watch *watch, int64_t which)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(watch->n_partitions);
    for (int i = 0; i < watch->n_partitions; i++)
        rd_kafka_topic_partition_list_add(list, TOPIC, i)->offset = which;
    bool ok =
        rd_kafka_offsets_for_times(watch->consumer, list, ANSWER_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < list->cnt; i++)
        ok = ok && list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (ok)
        return list;
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static bool read_between(package_watch *watch, const rd_kafka_topic_partition_list_t *low,
                         const rd_kafka_topic_partition_list_t *high)
{
    long long deadline_us = now_us() + DRAIN_TIMEOUT_MS * 1000LL;
    for (int i = 0; i < watch->n_partitions; i++)
        while (low->elems[i].offset < high->elems[i].offset && watch->next[i] < high->elems[i].offset) {
            if (now_us() > deadline_us)
                return false;
            poll_once(watch, 100);
        }
    return true;
}

/* Reads on to the end that the topic has now. */
static bool drain(package_watch *watch)
{
    rd_kafka_topic_partition_list_t *low = ask_offsets(watch, RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_topic_partition_list_t *high = low ? ask_offsets(watch, RD_KAFKA_OFFSET_END) : NULL;
    bool ok = high && read_between(watch, low, high);
    if (low)
        rd_kafka_topic_partition_list_destroy(low);
    if (high)
        rd_kafka_topic_partition_list_destroy(high);
    return ok;
}

static bool watch_topic(package_watch *watch)
{
    bool ok = assign(watch);
    if (ok && watch->record) { /* the heading says that the subscriber is there */
        fprintf(watch->record, "received_us\tpartition\toffset\tid\tkey\tvalue\n");
        fflush(watch->record);
    }
    while (ok && !told_to_stop)
        poll_once(watch, 100);
    if (ok && !(ok = drain(watch)))
        fprintf(stderr, "package_watch: the end of the topic was not reached\n");
    printf("    %ld records in all\n", watch->n_records);
    if (watch->record && fclose(watch->record) != 0)
        ok = false;
    return ok;
}

/* "name=value", as in -X fetch.wait.max.ms=2. */
static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return true;
    fprintf(stderr, "package_watch: %s\n", reason);
    return false;
}

static bool set_pair(rd_kafka_conf_t *conf, char *pair)
{
    char *value = strchr(pair, '=');
    if (!value) {
        fprintf(stderr, "package_watch: -X %s: write -X NAME=VALUE\n", pair);
        return false;
    }
    *value = '\0';
    return set(conf, pair, value + 1);
}

static bool read_options(int argc, char **argv, rd_kafka_conf_t *conf, package_watch *watch)
{
    static const struct option options[] = {{"brokers", required_argument, NULL, 'b'},
                                            {"every", required_argument, NULL, 'e'},
                                            {"record", required_argument, NULL, 'r'},
                                            {"schema", required_argument, NULL, 's'},
                                            {0}};
    bool ok = set(conf, "group.id", "package_watch") && set(conf, "enable.auto.commit", "false") &&
              set(conf, "allow.auto.create.topics", "true");
    for (int c; ok && (c = getopt_long(argc, argv, "X:", options, NULL)) != -1;) {
        if (c == 'b')
            ok = set(conf, "bootstrap.servers", optarg);
        else if (c == 'e')
            ok = (watch->every = strtol(optarg, NULL, 10)) > 0;
        else if (c == 's')
            ok = (watch->decoder = avro_json_open(optarg)) != NULL;
        else if (c == 'r')
            ok = (watch->record = fopen(optarg, "w")) != NULL;
        else
            ok = c == 'X' && set_pair(conf, optarg);
    }
    ok = ok && watch->decoder && optind == argc;
    if (!ok)
        fputs("usage: package_watch --brokers HOST:PORT --schema FILE [--every N] [--record FILE] [-X "
              "NAME=VALUE]…\n",
              stderr);
    return ok;
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    package_watch watch = {.every = 1};
    char reason[256];
    if (!read_options(argc, argv, conf, &watch)) {
        rd_kafka_conf_destroy(conf);
        return 2;
    }
    watch.consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!watch.consumer) {
        fprintf(stderr, "package_watch: %s\n", reason);
        return 1;
    }
    rd_kafka_poll_set_consumer(watch.consumer);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
    bool ok = watch_topic(&watch);
    rd_kafka_consumer_close(watch.consumer);
    rd_kafka_destroy(watch.consumer);
    pbus_decoder_free(watch.decoder);
    return ok ? 0 : 1;
}
