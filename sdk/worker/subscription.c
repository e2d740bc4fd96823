/* Checks and copies subscriptions; must never take one that could not be worked as it is written. */
#include "subscription.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "failure.h"
#include "retry.h"
#include "text.h"

enum {
    MOST_THREADS = 256,
    MOST_BATCH = 1000,
    DEFAULT_QUEUE_EVENTS = 1000,
    DEFAULT_QUEUE_BYTES = 16 << 20,
    LONGEST_NAME = 100,
    LONGEST_TOPIC = 249
};

static bool is_of_names(const char *text, size_t longest)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = text ? strlen(text) : 0;
    return size > 0 && size <= longest && strspn(text, allowed) == size;
}

bool subscription_is_name(const char *text)
{
    return is_of_names(text, LONGEST_NAME);
}

static const char *shown(const char *text)
{
    return text ? text : "(NULL)";
}

static pbus_status check_topics(const pbus_subscription *given, pbus_error *err)
{
    if (!given->topics || given->n_topics == 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "subscription \"%s\" has no topics", given->key);
    for (size_t i = 0; i < given->n_topics; i++) {
        if (!is_of_names(given->topics[i], LONGEST_TOPIC))
            return failure(
                err, PBUS_ERROR_ARGUMENT,
                "subscription \"%s\": \"%s\" is no topic's name: 1 to 249 of a-z A-Z 0-9 . _ -", given->key,
                given->topics[i] ? text_show(given->topics[i], strlen(given->topics[i])).text : "(NULL)");
        for (size_t j = 0; j < i; j++)
            if (strcmp(given->topics[i], given->topics[j]) == 0)
                return failure(err, PBUS_ERROR_ARGUMENT, "subscription \"%s\" names topic \"%s\" twice",
                               given->key, given->topics[i]);
    }
    return PBUS_OK;
}

/* A topic that the subscription reads itself would give it its dead letters again, without end. */
static pbus_status check_dead_letter_topic(const pbus_subscription *given, pbus_error *err)
{
    const char *topic = given->dead_letter_topic;
    if (!topic)
        return PBUS_OK;
    if (!is_of_names(topic, LONGEST_TOPIC) || strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0)
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "subscription \"%s\": dead_letter_topic \"%s\" is no topic's name: 1 to 249 of a-z A-Z "
            "0-9 . _ -",
            given->key, text_show(topic, strlen(topic)).text);
    for (size_t i = 0; i < given->n_topics; i++)
        if (strcmp(topic, given->topics[i]) == 0)
            return failure(err, PBUS_ERROR_ARGUMENT,
                           "subscription \"%s\" reads \"%s\", which is its dead_letter_topic", given->key,
                           topic);
    return PBUS_OK;
}

static pbus_status check_numbers(const pbus_subscription *given, pbus_error *err)
{
    if (!given->handler == !given->batch_handler)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "subscription \"%s\" has %s: set one of handler and batch_handler", given->key,
                       given->handler ? "two handlers" : "no handler");
    if (given->n_threads < 0 || given->n_threads > MOST_THREADS)
        return failure(err, PBUS_ERROR_ARGUMENT, "subscription \"%s\": n_threads is %d; 1 to %d are possible",
                       given->key, given->n_threads, MOST_THREADS);
    if (given->batch_size < 0 || given->batch_size > MOST_BATCH)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "subscription \"%s\": batch_size is %d; 1 to %d are possible", given->key,
                       given->batch_size, MOST_BATCH);
    if (given->queue_events < 0 || given->queue_bytes < 0 || given->time_limit_ms < 0 ||
        given->time_limit_ms > INT32_MAX)
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "subscription \"%s\": queue_events %d, queue_bytes %lld and time_limit_ms %lld must be 0 or "
            "more, the last at most 2147483647",
            given->key, given->queue_events, (long long)given->queue_bytes, (long long)given->time_limit_ms);
    if (given->begin != PBUS_BEGIN_EARLIEST && given->begin != PBUS_BEGIN_LATEST)
        return failure(err, PBUS_ERROR_ARGUMENT, "subscription \"%s\": begin is %d, which there is not",
                       given->key, (int)given->begin);
    if (given->at_dead != PBUS_AT_DEAD_STOP && given->at_dead != PBUS_AT_DEAD_SKIP)
        return failure(err, PBUS_ERROR_ARGUMENT, "subscription \"%s\": at_dead is %d, which there is not",
                       given->key, (int)given->at_dead);
    return retry_check(&given->retry, err);
}

static pbus_status check(const pbus_subscription *given, size_t i, pbus_error *err)
{
    if (!subscription_is_name(given->key))
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "subscription %zu has the key \"%s\"; 1 to %d of a-z A-Z 0-9 . _ - are possible", i,
                       given->key ? text_show(given->key, strlen(given->key)).text : shown(NULL),
                       LONGEST_NAME);
    pbus_status status = check_topics(given, err);
    if (status == PBUS_OK)
        status = check_dead_letter_topic(given, err);
    return status == PBUS_OK ? check_numbers(given, err) : status;
}

static json_t *condition_json(const pbus_condition *c)
{
    json_t *one = json_pack("{s:s, s:s}", "field", c->field, "test", filter_test_name(c->test));
    if (one && c->text)
        json_object_set_new(one, "text", json_string(c->text));
    return one;
}

/* Of a filter that has been found right. */
static char *filter_json(const pbus_subscription *given)
{
    json_t *all = json_array();
    for (size_t i = 0; i < given->n_conditions; i++)
        json_array_append_new(all, condition_json(&given->filter[i]));
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

static bool copy_topics(subscription *s, const pbus_subscription *given)
{
    s->topics = calloc(given->n_topics, sizeof *s->topics);
    s->n_topics = s->topics ? given->n_topics : 0;
    for (size_t i = 0; i < s->n_topics; i++)
        if (!(s->topics[i] = strdup(given->topics[i])))
            return false;
    return s->topics != NULL;
}

static bool copy(subscription *s, const pbus_subscription *given)
{
    s->handler = given->handler;
    s->batch_handler = given->batch_handler;
    s->arg = given->arg;
    s->retry = given->retry;
    s->unordered = given->unordered;
    s->begin = given->begin;
    s->n_threads = given->n_threads ? given->n_threads : 1;
    s->batch_size = given->batch_size ? given->batch_size : 1;
    s->queue_events = given->queue_events ? given->queue_events : DEFAULT_QUEUE_EVENTS;
    s->queue_bytes = given->queue_bytes ? given->queue_bytes : DEFAULT_QUEUE_BYTES;
    s->time_limit_ms = given->time_limit_ms;
    s->at_dead = given->at_dead;
    s->key = strdup(given->key);
    s->dead_letter_topic = given->dead_letter_topic ? strdup(given->dead_letter_topic) : NULL;
    s->filter_json = given->filter ? filter_json(given) : NULL;
    return s->key && (s->dead_letter_topic || !given->dead_letter_topic) &&
           (s->filter_json || !given->filter) && copy_topics(s, given);
}

static pbus_status copy_avro(subscription *s, const pbus_avro *given, pbus_error *err)
{
    if (!given)
        return PBUS_OK;
    s->schemas = given->schema                        ? "file"
                 : given->conninfo && given->registry ? "database, registry"
                 : given->conninfo                    ? "database"
                                                      : "registry";
    return value_reader_new(given, &s->values, err);
}

pbus_status subscription_init(subscription *s, const pbus_subscription *given, size_t i, pbus_error *err)
{
    pbus_error why;
    *s = (subscription){0};
    pbus_status status = check(given, i, err);
    if (status != PBUS_OK)
        return status;
    status = filter_new(given->filter, given->n_conditions, &s->filter, &why);
    if (status != PBUS_OK)
        return failure(err, status, "subscription \"%s\": %s", given->key, why.message);
    status = copy_avro(s, given->avro, &why);
    if (status != PBUS_OK)
        status = failure(err, status, "subscription \"%s\": %s", given->key, why.message);
    else if (!copy(s, given))
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for a subscription");
    if (status != PBUS_OK)
        subscription_done(s);
    return status;
}

pbus_status subscription_check_positions(const subscription *s, pbus_positions positions, pbus_error *err)
{
    if (positions == PBUS_POSITIONS_DATABASE && s->at_dead != PBUS_AT_DEAD_STOP)
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "subscription \"%s\": at_dead is for positions in Kafka; the database keeps dead letters",
            s->key);
    if (positions == PBUS_POSITIONS_DATABASE)
        return PBUS_OK;
    if (s->batch_handler)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "subscription \"%s\" has a batch_handler, and without a database there is no "
                       "transaction that many events could share; set handler instead",
                       s->key);
    if (s->batch_size > 1)
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "subscription \"%s\": batch_size is %d, and without a database there is no transaction "
            "that many events could share; leave it 0",
            s->key, s->batch_size);
    if (s->time_limit_ms > 0)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "subscription \"%s\": time_limit_ms is %lld, and without a database there is no "
                       "transaction that could be rolled back; leave it 0, and limit the handler's own calls",
                       s->key, (long long)s->time_limit_ms);
    return PBUS_OK;
}

const char *subscription_topic(const subscription *s, const char *topic)
{
    for (size_t i = 0; i < s->n_topics; i++)
        if (strcmp(s->topics[i], topic) == 0)
            return s->topics[i];
    return NULL;
}

void subscription_done(subscription *s)
{
    for (size_t i = 0; i < s->n_topics; i++)
        free(s->topics[i]);
    free(s->topics);
    free(s->key);
    free(s->dead_letter_topic);
    free(s->filter_json);
    filter_free(s->filter);
    value_reader_free(s->values);
    *s = (subscription){0};
}

filter_match subscription_wants(const subscription *s, event *e)
{
    pbus_error ignored;
    filter_match match = filter_ask_beside(s->filter, &e->view);
    value_state state = match == FILTER_OPEN ? value_read(s->values, e, false, &ignored) : VALUE_LATER;
    if (state == VALUE_READ)
        return filter_ask_value(s->filter, &e->view);
    return state == VALUE_UNREADABLE ? FILTER_UNREADABLE : match;
}

filter_match subscription_wants_at_last(const subscription *s, event *e, pbus_error *err)
{
    value_state state = value_read(s->values, e, true, err);
    if (state != VALUE_READ || !e->unjudged)
        return state == VALUE_LATER ? FILTER_OPEN : FILTER_YES;
    filter_match match = filter_ask_value(s->filter, &e->view);
    if (match == FILTER_NO_MEMORY) {
        *err = (pbus_error){.status = PBUS_ERROR_MEMORY, .message = "no memory for a filter"};
        return FILTER_OPEN;
    }
    e->unjudged = false;
    e->unreadable = match == FILTER_UNREADABLE;
    return match;
}

static json_t *topics_json(const subscription *s)
{
    json_t *topics = json_array();
    for (size_t i = 0; i < s->n_topics; i++)
        json_array_append_new(topics, json_string(s->topics[i]));
    return topics;
}

static json_t *options_json(const subscription *s)
{
    static const char *const retries[] = {"exponential", "patient", "never"};
    return json_pack("{s:i, s:i, s:s, s:s, s:s, s:I, s:s*, s:s*}", "n_threads", s->n_threads, "batch_size",
                     s->batch_size, "order", s->unordered ? "unordered" : "ordered", "begin",
                     s->begin == PBUS_BEGIN_LATEST ? "latest" : "earliest", "retry", retries[s->retry.kind],
                     "time_limit_ms", (json_int_t)s->time_limit_ms, "dead_letter_topic", s->dead_letter_topic,
                     "avro", s->schemas);
}

char *subscription_list_json(const subscription *list, size_t n)
{
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *conditions = list[i].filter_json ? json_loads(list[i].filter_json, 0, NULL) : json_null();
        json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:o}", "key", list[i].key, "topics",
                                             topics_json(&list[i]), "filter", conditions, "options",
                                             options_json(&list[i])));
    }
    char *text = json_array_size(all) == n ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    return text;
}
