/* postbus tail: a plain consumer that prints; never joins a group and never commits an offset. */
#include "avro_text.h"
#include "clock.h"
#include "command.h"
#include "config_kafka.h"
#include "stop.h"
#include "tail_format.h"
#include "tail_position.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 10000 /* a broker that does not answer for so long is taken for gone */
#define WAIT_MS 200     /* how long a poll waits, and so how late a signal is heard */
#define LOOK_AGAIN_MS 500
#define PARTITIONS_AGAIN_US 3000000 /* partitions that are added are noticed so much later at most, */
#define PARTITIONS_ANSWER_MS 1000   /* and for so long nothing is printed where a broker is slow to tell */

static const command_option options[] = {
    {.name = "from",
     .kind = OPTION_TEXT,
     .placeholder = "beginning|end|TIME",
     .effect = "Where to begin: at the first record kept, behind the last one, or at a time, written "
               "2026-01-31T12:00:00Z, 2026-01-31 or "
               "15min (ago; s, min, h, d). Default end, but beginning with --exit-at-end."},
    {.name = "count",
     .letter = 'n',
     .kind = OPTION_COUNT,
     .placeholder = "N",
     .lowest = 1,
     .highest = INT64_MAX,
     .effect = "Ends after N records."},
    {.name = "format",
     .letter = 'f',
     .kind = OPTION_TEXT,
     .placeholder = "FORMAT",
     .effect =
         "How a record is printed: %T time, %t topic, %p partition, %o offset, %k key, %v value, %h headers, "
         "%i header id, %y header "
         "type, %K and %S bytes of key and value (-1: NULL), %%, \\n, \\t, \\0, \\\\. Default '" TAIL_FORMAT
         "'."},
    {.name = "json",
     .kind = OPTION_SWITCH,
     .effect = "Prints each record as a JSON object on a line of its own."},
    {.name = "raw", .kind = OPTION_SWITCH, .effect = "Prints values as they are, also those that are Avro."},
    {.name = "schema",
     .kind = OPTION_TEXT,
     .placeholder = "FILE",
     .effect =
         "The schema, an .avsc file, of values without a frame, and of framed ones where no database is "
         "given."},
    {.name = "database",
     .kind = OPTION_TEXT,
     .placeholder = "CONNINFO",
     .effect = "Where the schemas of framed values are looked up; also POSTBUS_DATABASE. It is connected to "
               "once a value looks like one, and tail goes on without it where that fails."},
    {.name = "exit-at-end",
     .letter = 'e',
     .kind = OPTION_SWITCH,
     .effect = "Ends at the last record there is, instead of waiting for more."},
    {.name = NULL},
};

typedef struct tailing {
    const call *c;
    rd_kafka_t *consumer;
    tail_position from;
    const char *format; /* NULL: JSON */
    bool raw;
    avro_text avro;
    int64_t left; /* records still to print; -1: no end */
    bool exit_at_end;
    int stop_fd;
    rd_kafka_topic_partition_list_t *partitions;
    bool *at_end;          /* of each of them; only where exit_at_end */
    size_t n_missing;      /* topics that were not there when they were looked for last */
    int64_t look_again_us; /* when to ask for further partitions */
} tailing;

static void quiet(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

static bool told_to_stop(const tailing *t, int wait_ms)
{
    struct pollfd stop = {.fd = t->stop_fd, .events = POLLIN};
    return poll(&stop, 1, wait_ms) > 0;
}

static bool set(const call *c, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char said[512];
    if (rd_kafka_conf_set(conf, name, value, said, sizeof said) == RD_KAFKA_CONF_OK)
        return true;
    misuse(c, "kafka.%s: %s", name, said);
    return false;
}

/* Of the settings handed through, those for connecting; what is for producers only has no meaning here. */
static bool set_given(const call *c, rd_kafka_conf_t *conf)
{
    const kafka_names *names = kafka_names_known();
    bool ok = names != NULL;
    for (size_t i = 0; ok && i < c->cfg.n_kafka; i++) {
        size_t at = kafka_names_find(names, c->cfg.kafka[i].name);
        if (at < names->n && names->roles[at] == '*')
            ok = set(c, conf, c->cfg.kafka[i].name, c->cfg.kafka[i].value);
    }
    return ok;
}

static rd_kafka_t *consumer_new(const call *c, int *out_code)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, quiet);
    *out_code = EXIT_USAGE;
    /* A group id is needed to assign partitions, but nothing is ever subscribed to or committed. */
    if (!set(c, conf, "client.id", "postbus-tail") || !set_given(c, conf) ||
        !set(c, conf, "bootstrap.servers", c->cfg.brokers) || !set(c, conf, "group.id", "postbus-tail") ||
        !set(c, conf, "enable.auto.commit", "false") || !set(c, conf, "enable.auto.offset.store", "false") ||
        !set(c, conf, "enable.partition.eof", "true") || !set(c, conf, "auto.offset.reset", "error")) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    char said[512];
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, said, sizeof said);
    if (!consumer) {
        *out_code = fault(c, "%s; check the kafka settings", said);
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

static const rd_kafka_metadata_topic_t *topic_in(const rd_kafka_metadata_t *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, name) == 0 && metadata->topics[i].partition_cnt > 0)
            return &metadata->topics[i];
    return NULL;
}

/* Adds to a list those partitions of a topic that neither it nor t->partitions holds. */
static void add_missing(const tailing *t, const rd_kafka_metadata_topic_t *topic,
                        rd_kafka_topic_partition_list_t *to)
{
    for (int p = 0; p < topic->partition_cnt; p++) {
        int32_t id = topic->partitions[p].id;
        if (!rd_kafka_topic_partition_list_find(t->partitions, topic->topic, id) &&
            !rd_kafka_topic_partition_list_find(to, topic->topic, id))
            rd_kafka_topic_partition_list_add(to, topic->topic, id)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
}

/* Adds to a list the partitions that are not known yet. All topics are asked for while one is missing, because asking for one may make the broker
 * create it. */
static void collect(tailing *t, const rd_kafka_metadata_t *metadata, rd_kafka_topic_partition_list_t *to)
{
    t->n_missing = 0;
    for (size_t i = 0; i < t->c->n_words; i++) {
        const rd_kafka_metadata_topic_t *topic = topic_in(metadata, t->c->words[i]);
        if (topic)
            add_missing(t, topic, to);
        else
            t->n_missing++;
    }
}

static int tell_missing(const tailing *t, const rd_kafka_metadata_t *metadata)
{
    for (size_t i = 0; i < t->c->n_words; i++) {
        const char *name = t->c->words[i];
        if (topic_in(metadata, name))
            continue;
        if (t->exit_at_end)
            return fault(t->c,
                         "there is no topic %s; check its name, or leave out --exit-at-end to wait for it",
                         name);
        fprintf(stderr, "postbus tail: there is no topic %s yet; waiting for it\n", name);
    }
    return EXIT_OK;
}

/* Waits until one of the topics is there; the others are found by look_for_new_partitions. EXIT_OK with t->partitions empty: told to stop. */
static int find_partitions(tailing *t)
{
    bool waiting = false;
    while (!told_to_stop(t, waiting ? LOOK_AGAIN_MS : 0)) {
        const rd_kafka_metadata_t *metadata;
        rd_kafka_resp_err_t error = rd_kafka_metadata(t->consumer, 1, NULL, &metadata, ANSWER_MS);
        if (error)
            return fault(t->c, "the brokers %s do not answer: %s; check --brokers", t->c->cfg.brokers,
                         rd_kafka_err2str(error));
        collect(t, metadata, t->partitions);
        int code = waiting ? EXIT_OK : tell_missing(t, metadata);
        rd_kafka_metadata_destroy(metadata);
        if (code != EXIT_OK || t->partitions->cnt > 0)
            return code;
        t->from.start = TAIL_BEGINNING; /* all of a topic that is made after the start is new */
        waiting = true;
    }
    return EXIT_OK;
}

static int64_t first_offset(const tailing *t)
{
    if (t->from.start == TAIL_TIME)
        return t->from.time_ms;
    return t->from.start == TAIL_BEGINNING ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
}

static int seek_all(tailing *t)
{
    for (int i = 0; i < t->partitions->cnt; i++)
        t->partitions->elems[i].offset = first_offset(t);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (t->from.start == TAIL_TIME)
        error = rd_kafka_offsets_for_times(t->consumer, t->partitions, ANSWER_MS);
    for (int i = 0; !error && i < t->partitions->cnt; i++)
        error = t->partitions->elems[i].err;
    if (!error)
        error = rd_kafka_assign(t->consumer, t->partitions);
    return error ? fault(t->c,
                         "the partitions cannot be read: %s; check --brokers and the rights of this client",
                         rd_kafka_err2str(error))
                 : EXIT_OK;
}

/* All that a partition holds which was added since the start is new: it is read from its beginning, whatever --from says. */
static int take_new_partitions(tailing *t, const rd_kafka_metadata_t *metadata)
{
    rd_kafka_topic_partition_list_t *added = rd_kafka_topic_partition_list_new(4);
    collect(t, metadata, added);
    int code = EXIT_OK;
    rd_kafka_error_t *error = added->cnt > 0 ? rd_kafka_incremental_assign(t->consumer, added) : NULL;
    if (error)
        code = fault(t->c, "partitions that were added cannot be read: %s; start it again",
                     rd_kafka_error_string(error));
    for (int i = 0; !error && i < added->cnt; i++)
        rd_kafka_topic_partition_list_add(t->partitions, added->elems[i].topic, added->elems[i].partition);
    rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(added);
    return code;
}

/* Asks, where it is time, for the topics that are read. That a broker does not answer, reading itself will tell. */
static int look_for_new_partitions(tailing *t)
{
    int64_t now_us = clock_now_us();
    if (t->exit_at_end || now_us < t->look_again_us)
        return EXIT_OK;
    t->look_again_us = now_us + PARTITIONS_AGAIN_US;
    const rd_kafka_metadata_t *metadata;
    if (rd_kafka_metadata(t->consumer, t->n_missing > 0, NULL, &metadata, PARTITIONS_ANSWER_MS))
        return EXIT_OK;
    int code = take_new_partitions(t, metadata);
    rd_kafka_metadata_destroy(metadata);
    return code;
}

static bool all_at_end(tailing *t, const rd_kafka_message_t *record)
{
    bool all = true;
    for (int i = 0; i < t->partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &t->partitions->elems[i];
        if (p->partition == record->partition && strcmp(p->topic, rd_kafka_topic_name(record->rkt)) == 0)
            t->at_end[i] = true;
        all = all && t->at_end[i];
    }
    return all;
}

/* Returns EXIT_OK and sets *out_ended, or a fault. */
static int take(tailing *t, const rd_kafka_message_t *record, bool *out_ended)
{
    if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        *out_ended = t->exit_at_end && all_at_end(t, record);
        return EXIT_OK;
    }
    if (record->err == RD_KAFKA_RESP_ERR__TRANSPORT || record->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        fprintf(stderr, "postbus tail: %s; trying again\n", rd_kafka_message_errstr(record));
        return EXIT_OK;
    }
    if (record->err)
        return fault(t->c, "%s: %s", record->rkt ? rd_kafka_topic_name(record->rkt) : "Kafka",
                     rd_kafka_message_errstr(record));
    tail_avro avro = {.json = NULL};
    if (!t->raw)
        avro.json = avro_text_of(&t->avro, rd_kafka_topic_name(record->rkt), record->payload, record->len,
                                 &avro.size);
    if (t->format)
        tail_format_print(stdout, t->format, record, &avro);
    else
        tail_format_json(stdout, record, &avro);
    if (t->left > 0)
        t->left--;
    *out_ended = t->left == 0;
    return ferror(stdout) ? fault(t->c, "standard output cannot be written: %s", strerror(errno)) : EXIT_OK;
}

static int print_records(tailing *t)
{
    int code = EXIT_OK;
    bool ended = false;
    while (code == EXIT_OK && !ended && !told_to_stop(t, 0)) {
        code = look_for_new_partitions(t);
        if (code != EXIT_OK)
            break;
        rd_kafka_message_t *record = rd_kafka_consumer_poll(t->consumer, 0);
        if (!record) { /* all that was there is printed: show it before waiting */
            fflush(stdout);
            record = rd_kafka_consumer_poll(t->consumer, WAIT_MS);
        }
        if (!record)
            continue;
        code = take(t, record, &ended);
        rd_kafka_message_destroy(record);
    }
    return code;
}

static int tail(tailing *t)
{
    int code = find_partitions(t);
    if (code != EXIT_OK || t->partitions->cnt == 0)
        return code;
    t->at_end = calloc((size_t)t->partitions->cnt, sizeof *t->at_end);
    if (!t->at_end)
        return fault(t->c, "out of memory");
    code = seek_all(t);
    if (code == EXIT_OK)
        code = print_records(t);
    free(t->at_end);
    return code;
}

static int read_flags(tailing *t)
{
    const call *c = t->c;
    const char *from = call_text(c, "from"), *wrong;
    t->exit_at_end = call_has(c, "exit-at-end");
    t->raw = call_has(c, "raw");
    t->left = call_count(c, "count", -1);
    if (!from)
        from = t->exit_at_end ? "beginning" : "end";
    if (!tail_position_parse(from, clock_wall_ms(), &t->from))
        return misuse(c,
                      "--from is \"%s\"; write beginning, end, a time such as 2026-01-31T12:00:00Z, or an "
                      "age such as 15min",
                      from);
    if (t->raw && (call_has(c, "schema") || call_has(c, "database")))
        return misuse(c, "--raw looks for no schema; leave out --%s",
                      call_has(c, "schema") ? "schema" : "database");
    if (call_has(c, "format") && call_has(c, "json"))
        return misuse(c, "--format and --json both say how to print; use one of the two");
    t->format = call_has(c, "json") ? NULL : call_text(c, "format");
    if (!t->format && !call_has(c, "json"))
        t->format = TAIL_FORMAT;
    if (t->format && !tail_format_check(t->format, &wrong))
        return misuse(
            c, "--format has \"%.2s\", which means nothing; postbus tail --help lists what may be written",
            wrong);
    if (!c->cfg.brokers[0])
        return misuse(c, "no brokers are given; use --brokers HOST:PORT,… or POSTBUS_BROKERS");
    return EXIT_OK;
}

static int read_topics(tailing *t)
{
    int code;
    t->stop_fd = stop_open();
    if (t->stop_fd < 0)
        return fault(t->c, "signals cannot be received: %s", strerror(errno));
    t->consumer = consumer_new(t->c, &code);
    if (!t->consumer) {
        close(t->stop_fd);
        return code;
    }
    t->partitions = rd_kafka_topic_partition_list_new(16);
    code = tail(t);
    rd_kafka_topic_partition_list_destroy(t->partitions);
    rd_kafka_consumer_close(t->consumer);
    rd_kafka_destroy(t->consumer);
    close(t->stop_fd);
    return code;
}

static int run(const call *c)
{
    tailing t = {.c = c};
    int code = read_flags(&t);
    if (code != EXIT_OK)
        return code;
    const char *database = call_text(c, "database");
    code = avro_text_start(&t.avro, c, database ? database : c->cfg.database, call_text(c, "schema"));
    if (code == EXIT_OK)
        code = read_topics(&t);
    avro_text_done(&t.avro);
    return code;
}

const command command_tail = {
    .name = "tail",
    .synopsis = "TOPIC…",
    .summary = "prints the records of topics",
    .description =
        "Prints the records of one or more topics as a plain consumer: it joins no group and commits "
        "nothing. A topic that does "
        "not exist yet is waited for, and partitions that are added while it runs are read too. Of the "
        "settings of librdkafka those for connecting are used.\n\n"
        "A value in Confluent's or Avro's single-object framing is printed as JSON where its schema is "
        "found: "
        "in the schemas that postbus schema keeps, by its id or fingerprint, in a schema registry "
        "(registry_url), or in a file. Ids of topics that are not bound are the registry's, where one is "
        "given. With --json it is "
        "the "
        "member value_avro.",
    .examples = "postbus tail orders\n"
                "postbus tail orders payments --from 15min --json\n"
                "postbus tail orders --exit-at-end --format '%k %v\\n'",
    .options = options,
    .takes = TAKES_BROKERS | TAKES_KAFKA | TAKES_REGISTRY,
    .least_words = 1,
    .most_words = 1000,
    .words_remedy = "write postbus tail TOPIC",
    .run = run,
};
