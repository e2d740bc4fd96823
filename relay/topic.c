/* Asks brokers about topics before their first record leaves, and creates them where configured; must hardly ever wait. */
#include "topic.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "refusal.h"

#define ASK_TIMEOUT_MS 5000
/* The one wait of this file: at the first question, after one that nobody answered, and while a topic seems to stall. */
#define BROKERS_TIMEOUT_MS 100
#define FIND_BROKER_AGAIN_US 1000000
#define ASK_AGAIN_US 100000          /* after a failure that says nothing about the topic */
#define OLDEST_UNKNOWN_MS 86400000LL /* retention unknown: records up to a day old keep their time */
#define OLDEST_ANY_MS INT64_MAX
#define DENIED_LEAST_US 1000000
#define DENIED_MOST_US 60000000
#define DOUBTED_LEAST_US                                                                                     \
    1500000 /* more than what is sent alone rests, alone.c: what is refused again is so while it is doubted */
#define DOUBTED_MOST_US 10000000

static size_t slot_of(const char *name, size_t size)
{
    uint64_t h = 1469598103934665603ULL; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)name[i]) * 1099511628211ULL;
    return (size_t)(h % 1024);
}

static bool is_named(const topic *t, const char *name, size_t size)
{
    return strncmp(t->name, name, size) == 0 && t->name[size] == '\0';
}

topic *topic_find(topic_table *t, const char *name, size_t size)
{
    if (t->last && is_named(t->last, name, size))
        return t->last;
    topic **slot = &t->slots[slot_of(name, size)];
    topic *found = *slot;
    while (found && !is_named(found, name, size))
        found = found->next;
    if (!found) {
        found = calloc(1, sizeof *found);
        if (!found || !(found->name = strndup(name, size))) {
            free(found);
            return NULL;
        }
        found->next = *slot;
        *slot = found;
        found->next_of_all = t->all;
        t->all = found;
    }
    t->last = found;
    return found;
}

void topic_table_each(topic_table *t, void (*fn)(topic *, void *), void *arg)
{
    for (topic *one = t->all, *next; one; one = next) {
        next = one->next_of_all;
        fn(one, arg);
    }
}

static void forget(topic *t, void *arg)
{
    (void)arg;
    if (t->handle)
        rd_kafka_topic_destroy(t->handle);
    t->handle = NULL;
    t->asking = false;
    t->ask_at_us = t->denied_until_us;
    t->lane_ship = 0;
    if (t->state == TOPIC_READY)
        t->state = TOPIC_UNKNOWN;
}

static void end_first_flight(topic *t, void *arg)
{
    (void)arg;
    first_flight_close(&t->first);
}

void topic_table_ended(topic_table *t)
{
    topic_table_each(t, end_first_flight, NULL);
}

void topic_table_forget(topic_table *t)
{
    t->knows_broker = false;
    t->find_broker_at_us = 0;
    topic_table_each(t, forget, NULL);
}

static void close_lane(topic *t, void *arg)
{
    (void)arg;
    page_free(t->lane_page);
    t->lane_page = NULL;
    t->stalled = t->lane_left = false;
    if (t->state != TOPIC_MISSING ||
        t->denied_us == 0) /* else that is why the session was lost, and it will be denied again */
        t->head_alone = t->refusal_logged = false;
    t->n_stalls = 0;
    t->unknown_since_us = t->stop_rests_until_us = t->lane_look_at_us = 0;
    t->lane_open = t->lane_dirty = t->lane_reading = t->lane_unparking = t->lane_closing = false;
    t->n_unsettled = t->n_stops = 0;
    t->n_parked = 0;
    t->lane_ship = 0;
    t->lane_after_n = t->lane_told_n = 0;
}

void topic_table_close_lanes(topic_table *t)
{
    topic_table_each(t, close_lane, NULL);
}

static void drop(topic *t, void *arg)
{
    forget(t, arg);
    close_lane(t, arg);
    flights_done(&t->flights);
    free(t->name);
    free(t);
}

void topic_table_free(topic_table *t)
{
    topic_table_each(t, drop, NULL);
    memset(t->slots, 0, sizeof t->slots);
    t->all = t->last = NULL;
}

/* Left to itself librdkafka asks the controller about a topic's settings, though any broker knows them: a cluster whose controller is
 * away, or the mock broker, which names none, would leave the question without an answer. Behind a slow link none may be found in time: then some topics
 * are asked about without, or the wait for each would keep a relay of many topics from all else. */
static void find_broker(topic_table *t, rd_kafka_t *rk, int64_t now_us)
{
    const struct rd_kafka_metadata *metadata;
    if (t->knows_broker || now_us < t->find_broker_at_us)
        return;
    t->find_broker_at_us = now_us + FIND_BROKER_AGAIN_US;
    if (rd_kafka_metadata(rk, 0, NULL, &metadata, BROKERS_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    t->find_broker_at_us = 0;
    if (metadata->broker_cnt > 0) {
        t->broker_id = metadata->brokers[t->n_brokers_tried++ % (unsigned)metadata->broker_cnt].id;
        t->knows_broker = true;
    }
    rd_kafka_metadata_destroy(metadata);
}

bool topic_is_away(const topic *t, int64_t now_us)
{
    bool rests = t->n_stops == 0 || now_us < t->stop_rests_until_us;
    return t->state == TOPIC_MISSING || (t->stalled && rests);
}

/* Of a topic that is refused just now that is known already, and its lane is about to open. */
void topic_takes(topic *t)
{
    t->denied_us = 0;
    if (!t->lane_open && t->state == TOPIC_READY)
        t->head_alone = t->refusal_logged = false;
}

/* What was taken back when it stalled would otherwise make it stall at once when it is sent again. */
void topic_resumes(topic *t)
{
    t->head_alone = t->stalled = t->refusal_logged = false;
    flights_begin_anew(&t->flights);
}

static void note_leaders(topic_table *t, const struct rd_kafka_metadata_topic *m)
{
    topic *one = topic_find(t, m->topic, strlen(m->topic));
    if (!one)
        return;
    one->leaderless = false;
    for (int i = 0; i < m->partition_cnt; i++)
        one->leaderless |= m->partitions[i].leader < 0;
}

bool topic_table_look(topic_table *t, rd_kafka_t *rk)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, NULL, &metadata, BROKERS_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    for (int i = 0; i < metadata->topic_cnt; i++)
        note_leaders(t, &metadata->topics[i]);
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Asks about a topic's settings. The answer comes on queue, as an event with that opaque. */
static void describe(topic_table *table, rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *name,
                     int timeout_ms, void *opaque)
{
    char errstr[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, errstr, sizeof errstr);
    rd_kafka_AdminOptions_set_opaque(options, opaque);
    find_broker(table, rk, clock_now_us());
    if (table->knows_broker)
        rd_kafka_AdminOptions_set_broker(options, table->broker_id, errstr, sizeof errstr);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
}

typedef struct asking {
    topic_table *table;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int64_t now_us, next_us;
} asking;

static void ask(topic *t, void *arg)
{
    asking *a = arg;
    if (t->state == TOPIC_READY || t->asking)
        return;
    if (t->ask_at_us > a->now_us) {
        if (t->ask_at_us < a->next_us)
            a->next_us = t->ask_at_us;
        return;
    }
    describe(a->table, a->rk, a->queue, t->name, ASK_TIMEOUT_MS, t);
    t->asking = true;
}

int64_t topic_table_ask(topic_table *t, rd_kafka_t *rk, rd_kafka_queue_t *queue, int64_t now_us)
{
    asking a = {.table = t, .rk = rk, .queue = queue, .now_us = now_us, .next_us = CLOCK_NEVER};
    topic_table_each(t, ask, &a);
    return a.next_us;
}

static void create(topic_table *table, topic *t, rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    char errstr[256];
    rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(t->name, (int)table->cfg->topic_partitions,
                              (int)table->cfg->topic_replication_factor, errstr, sizeof errstr);
    if (!wanted) {
        log_event(LOG_LEVEL_ERROR, "topic.create_failed", "topic=%s reason=%s", t->name, errstr);
        return;
    }
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_TIMEOUT_MS, errstr, sizeof errstr);
    rd_kafka_AdminOptions_set_operation_timeout(options, ASK_TIMEOUT_MS, errstr, sizeof errstr);
    rd_kafka_AdminOptions_set_opaque(options, t);
    rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(wanted);
    t->asking = true;
}

static int64_t smaller_half(int64_t oldest_ms, const char *value)
{
    char *end;
    long long n = strtoll(value, &end, 10);
    if (end == value || n < 0 || n / 2 >= oldest_ms)
        return oldest_ms;
    return n / 2;
}

/* Half of what retention and the bounds on timestamps allow: the record must outlive its arrival by a good while. */
static int64_t oldest_allowed_ms(const rd_kafka_ConfigResource_t *resource)
{
    size_t n;
    int64_t oldest_ms = OLDEST_ANY_MS;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *name = rd_kafka_ConfigEntry_name(entries[i]);
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value &&
            (strcmp(name, "retention.ms") == 0 || strcmp(name, "message.timestamp.difference.max.ms") == 0 ||
             strcmp(name, "message.timestamp.before.max.ms") == 0))
            oldest_ms = smaller_half(oldest_ms, value);
    }
    return oldest_ms;
}

/* A broker refuses a whole batch above the topic's max.message.bytes, however small its records are; and a record without a key where the
 * topic is compacted. */
static void note_limits(topic_table *table, topic *t, const rd_kafka_ConfigResource_t *resource)
{
    size_t n;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0)
            t->compacted = strstr(value, "compact") != NULL;
        if (!value || strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") != 0)
            continue;
        long long bytes = strtoll(value, NULL, 10);
        t->max_bytes = bytes > 0 ? bytes : 0;
        if (bytes > 0 && (table->least_max_bytes == 0 || bytes < table->least_max_bytes))
            table->least_max_bytes = bytes;
    }
}

static void become_ready(const topic_table *table, topic *t, rd_kafka_t *rk, int64_t oldest_ms)
{
    if (t->state == TOPIC_MISSING && t->refusal == REFUSAL_TOPIC_MISSING)
        log_event(t->refusal_logged ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "topic.found", "topic=%s", t->name);
    if (!t->handle)
        t->handle = first_flight_open(&t->first, rk, t->name, t, !table->transactional);
    t->oldest_ms = oldest_ms;
    t->unknown_since_us = 0;
    t->state = TOPIC_READY;
}

static void become_missing(topic_table *table, topic *t, const char *reason, int64_t now_us)
{
    if (t->state != TOPIC_MISSING)
        log_event(
            t->refusal_logged ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, "topic.missing",
            "topic=%s reason=%s remedy=%s retry_ms=%lld", t->name, reason,
            "create the topic, or let the relay do it with create_topics = true; its events wait in order",
            (long long)table->cfg->topic_retry_ms);
    t->state = TOPIC_MISSING;
    t->unknown_since_us = 0;
    t->refusal = REFUSAL_TOPIC_MISSING;
    t->ask_at_us = now_us + table->cfg->topic_retry_ms * 1000;
}

static const char *remedy_for(int refusal)
{
    if (refusal == REFUSAL_BY_POLICY)
        return "create the topic as the cluster's policy wants it; its events wait in order";
    if (refusal_is_unclear(refusal))
        return "see the brokers' log; its events wait in order, and the first is tried again: where it is "
               "at fault, postbus parked discard gives it up";
    return "let the relay write to the topic (ACLs); its events wait in order";
}

static void become_refused(topic *t, int refusal, int64_t now_us, int64_t retry_us)
{
    log_event(t->refusal_logged ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, "topic.refused",
              "topic=%s reason=%s code=%d remedy=%s retry_ms=%lld", t->name, refusal_get(refusal).reason,
              (int)refusal_get(refusal).err, remedy_for(refusal), (long long)(retry_us / 1000));
    t->state = TOPIC_MISSING;
    t->refusal = refusal;
    t->ask_at_us = now_us + retry_us;
    t->refusal_logged = t->head_alone = true;
}

void topic_refused(topic_table *table, topic *t, int refusal, int64_t now_us)
{
    if (refusal != REFUSAL_TOPIC_MISSING) {
        become_refused(t, refusal, now_us, table->cfg->topic_retry_ms * 1000);
        return;
    }
    become_missing(table, t, "no such topic", now_us);
    t->refusal_logged = t->head_alone = true;
}

void topic_denied(topic *t, int refusal, int64_t now_us)
{
    if (now_us > t->denied_until_us + DENIED_MOST_US) /* another relay has led meanwhile */
        t->refusal_logged = false;
    int64_t longer_us = t->denied_us * 2 < DENIED_MOST_US ? t->denied_us * 2 : DENIED_MOST_US;
    t->denied_us = longer_us > DENIED_LEAST_US ? longer_us : DENIED_LEAST_US;
    t->denied_until_us = now_us + t->denied_us;
    become_refused(t, refusal, now_us, t->denied_us);
}

void topic_doubt(topic *t, int64_t now_us)
{
    if (t->doubted_us == 0 || now_us > t->doubted_until_us + DOUBTED_MOST_US)
        t->doubted_us = DOUBTED_LEAST_US;
    else if (now_us > t->doubted_until_us)
        t->doubted_us = t->doubted_us * 2 < DOUBTED_MOST_US ? t->doubted_us * 2 : DOUBTED_MOST_US;
    t->doubted_until_us = now_us + t->doubted_us;
    t->doubted = true;
}

static void described(topic_table *table, topic *t, rd_kafka_t *rk, rd_kafka_queue_t *queue,
                      rd_kafka_event_t *event, int64_t now_us)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    const rd_kafka_ConfigResource_t *resource = NULL;
    size_t n = 0;
    if (!err) {
        resource =
            rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n)[0];
        err = rd_kafka_ConfigResource_error(resource);
        text = rd_kafka_ConfigResource_error_string(resource);
    }
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        note_limits(table, t, resource);
        become_ready(table, t, rk, oldest_allowed_ms(resource));
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        if (table->cfg->create_topics)
            create(table, t, rk, queue);
        else
            become_missing(table, t, "no such topic", now_us);
        break;
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE: /* the mock broker, and who may not look: let the record itself be the question */
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        become_ready(table, t, rk, OLDEST_UNKNOWN_MS);
        break;
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        become_missing(table, t, text ? text : "the broker refuses its name", now_us);
        break;
    default:
        table->knows_broker = false; /* ask another one */
        log_event(LOG_LEVEL_DEBUG, "topic.ask_failed", "topic=%s reason=%s", t->name, rd_kafka_err2str(err));
        t->ask_at_us = now_us + ASK_AGAIN_US;
    }
}

static void created(topic_table *table, topic *t, rd_kafka_event_t *event, int64_t now_us)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    if (!err) {
        size_t n;
        const rd_kafka_topic_result_t *result =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n)[0];
        err = rd_kafka_topic_result_error(result);
        text = rd_kafka_topic_result_error_string(result);
    }
    t->ask_at_us = now_us + ASK_AGAIN_US;
    if (!err)
        log_event(LOG_LEVEL_INFO, "topic.created", "topic=%s partitions=%lld replication_factor=%lld",
                  t->name, (long long)table->cfg->topic_partitions,
                  (long long)table->cfg->topic_replication_factor);
    else if (err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && err != RD_KAFKA_RESP_ERR__TIMED_OUT)
        become_missing(table, t, text ? text : rd_kafka_err2str(err), now_us);
}

bool topic_table_answer(topic_table *t, rd_kafka_t *rk, rd_kafka_queue_t *queue, rd_kafka_event_t *event,
                        int64_t now_us)
{
    rd_kafka_event_type_t type = rd_kafka_event_type(event);
    if (type != RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT && type != RD_KAFKA_EVENT_CREATETOPICS_RESULT)
        return false;
    topic *one = rd_kafka_event_opaque(event);
    one->asking = false;
    if (type == RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)
        described(t, one, rk, queue, event, now_us);
    else
        created(t, one, event, now_us);
    return true;
}
