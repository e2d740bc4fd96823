/* Starts and stops the worker of an application; must never return from a stop while a handler that was not abandoned runs. */
#include <postbus/worker.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "feed.h"
#include "lane.h"
#include "measure.h"
#include "outlet.h"
#include "postbus_sql.h"
#include "reader.h"
#include "session.h"
#include "text.h"

enum { AFTER_CANCEL_MS = 3000 };

struct pbus_worker {
    worker_config cfg;
    subscription *subs;
    feed *feeds;
    size_t n_subs, n_feeds;
    census census;
};

static pbus_status check_positions(const pbus_worker_options *o, pbus_error *err)
{
    if (o->positions != PBUS_POSITIONS_DATABASE && o->positions != PBUS_POSITIONS_KAFKA)
        return failure(err, PBUS_ERROR_ARGUMENT, "positions is %d, which there is not", (int)o->positions);
    if (o->positions == PBUS_POSITIONS_DATABASE && !o->conninfo)
        return failure(
            err, PBUS_ERROR_ARGUMENT,
            "conninfo is NULL; \"\" means libpq's own settings, and a worker without a database has "
            "its positions in Kafka (PBUS_POSITIONS_KAFKA)");
    if (o->positions == PBUS_POSITIONS_KAFKA && o->conninfo)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "positions are to be kept in Kafka, where no database is used: leave conninfo NULL");
    if (o->positions == PBUS_POSITIONS_KAFKA && o->list_version != 0)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "list_version is %d, and without a database no list is kept; leave it 0",
                       o->list_version);
    return PBUS_OK;
}

static pbus_status check_options(const pbus_worker_options *o, pbus_error *err)
{
    if (!o || o->size != sizeof *o)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "options.size is %zu; set it to sizeof(pbus_worker_options), %zu", o ? o->size : 0,
                       sizeof *o);
    if (!subscription_is_name(o->application))
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "the application is \"%s\"; 1 to 100 of a-z A-Z 0-9 . _ - are possible",
                       o->application ? text_show(o->application, strlen(o->application)).text : "(NULL)");
    pbus_status status = check_positions(o, err);
    if (status != PBUS_OK)
        return status;
    if (!o->brokers || !*o->brokers)
        return failure(err, PBUS_ERROR_ARGUMENT, "brokers is missing; write host:port");
    if (!o->subscriptions || o->n_subscriptions == 0)
        return failure(err, PBUS_ERROR_ARGUMENT,
                       "there is no subscription; an application's list is emptied by "
                       "postbus_inbox.unsubscribe()");
    if (o->list_version < 0)
        return failure(err, PBUS_ERROR_ARGUMENT, "list_version is %d; 0 and more are possible",
                       o->list_version);
    for (size_t i = 0; i < o->n_kafka; i++)
        if (!o->kafka || !o->kafka[i].name || !o->kafka[i].value)
            return failure(err, PBUS_ERROR_ARGUMENT, "setting %zu of librdkafka has no name or no value", i);
    return PBUS_OK;
}

static bool copy_config(worker_config *cfg, const pbus_worker_options *o)
{
    cfg->positions = o->positions;
    cfg->list_version = o->list_version;
    cfg->notice = o->notice;
    cfg->notice_arg = o->notice_arg;
    cfg->application = strdup(o->application);
    cfg->conninfo = o->conninfo ? strdup(o->conninfo) : NULL;
    cfg->brokers = strdup(o->brokers);
    cfg->headers =
        (event_headers){.id = strdup(o->id_header ? o->id_header : "id"),
                        .type = strdup(o->type_header ? o->type_header : "type"),
                        .relayed_at = strdup(o->relayed_at_header ? o->relayed_at_header : "relayed-at")};
    cfg->kafka = calloc(o->n_kafka + 1, sizeof *cfg->kafka);
    if (!cfg->application || (o->conninfo && !cfg->conninfo) || !cfg->brokers || !cfg->kafka ||
        !cfg->headers.id || !cfg->headers.type || !cfg->headers.relayed_at)
        return false;
    for (; cfg->n_kafka < o->n_kafka; cfg->n_kafka++) {
        setting *to = &cfg->kafka[cfg->n_kafka];
        to->name = strdup(o->kafka[cfg->n_kafka].name);
        to->value = strdup(o->kafka[cfg->n_kafka].value);
        if (!to->name || !to->value) {
            free(to->name);
            free(to->value);
            return false;
        }
    }
    return true;
}

static pbus_status copy_subscriptions(pbus_worker *w, const pbus_worker_options *o, pbus_error *err)
{
    w->subs = calloc(o->n_subscriptions, sizeof *w->subs);
    w->feeds = calloc(o->n_subscriptions, sizeof *w->feeds);
    if (!w->subs || !w->feeds)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for %zu subscriptions", o->n_subscriptions);
    for (size_t i = 0; i < o->n_subscriptions; i++) {
        pbus_status status = subscription_init(&w->subs[i], &o->subscriptions[i], i, err);
        if (status != PBUS_OK)
            return status;
        w->n_subs++;
        status = subscription_check_positions(&w->subs[i], o->positions, err);
        if (status != PBUS_OK)
            return status;
        for (size_t j = 0; j < i; j++)
            if (strcmp(w->subs[i].key, w->subs[j].key) == 0)
                return failure(err, PBUS_ERROR_ARGUMENT, "subscriptions %zu and %zu have the same key \"%s\"",
                               j, i, w->subs[i].key);
    }
    return PBUS_OK;
}

static pbus_status make_feeds(pbus_worker *w, pbus_error *err)
{
    for (; w->n_feeds < w->n_subs; w->n_feeds++)
        if (!feed_init(&w->feeds[w->n_feeds], &w->cfg, &w->subs[w->n_feeds])) {
            feed_done(&w->feeds[w->n_feeds]);
            return failure(err, PBUS_ERROR_MEMORY, "no memory for a subscription's threads");
        }
    return PBUS_OK;
}

/* One that a newer list has ended is not begun. */
static void note_subscribed(feed *f, const PGresult *rows, int row)
{
    f->id = atoi(PQgetvalue(rows, row, 0));
    f->stopping = PQgetvalue(rows, row, 2)[0] != 't';
    if (f->stopping)
        feed_tell(f, PBUS_NOTICE_UNSUBSCRIBED, NULL, 0,
                  "a newer version of the list has ended the subscription");
}

static void note_all_subscribed(pbus_worker *w, const PGresult *rows)
{
    for (int row = 0; row < PQntuples(rows); row++)
        for (size_t i = 0; i < w->n_feeds; i++)
            if (strcmp(PQgetvalue(rows, row, 1), w->subs[i].key) == 0)
                note_subscribed(&w->feeds[i], rows, row);
}

/* A dead letter that cannot be published must not be found out with the first one. */
static pbus_status check_outlets(const pbus_worker *w, session *s, pbus_error *err)
{
    pbus_error why;
    for (size_t i = 0; i < w->n_subs; i++) {
        const char *topic = w->subs[i].dead_letter_topic;
        pbus_status status = topic ? ledger_check_outlet(s, &why) : PBUS_OK;
        if (status != PBUS_OK)
            return failure(err, status, "subscription \"%s\" has the dead_letter_topic %s: %s",
                           w->subs[i].key, topic, why.message);
    }
    return PBUS_OK;
}

static pbus_status subscribe(pbus_worker *w, pbus_error *err)
{
    session s = {NULL};
    PGresult *rows = NULL;
    char *list = subscription_list_json(w->subs, w->n_subs);
    if (!list)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for the list of subscriptions");
    char version[16];
    const char *values[] = {w->cfg.application, list, version};
    const statement one = {.sql = subscriber_sql_query("subscribe"), .n_params = 3, .values = values};
    snprintf(version, sizeof version, "%d", w->cfg.list_version);
    pbus_status status = session_open(&s, w->cfg.conninfo, "postbus subscribe", 0, err);
    if (status == PBUS_OK)
        status = check_outlets(w, &s, err);
    if (status == PBUS_OK) /* a list that was lost with the server would have nobody who reads for it */
        status = session_make_durable(&s, err);
    if (status == PBUS_OK)
        status = session_run(&s, &one, 1, &rows, err);
    if (status == PBUS_OK)
        note_all_subscribed(w, rows);
    PQclear(rows);
    session_close(&s);
    free(list);
    return status;
}

/* What takes the database's place where there is none. */
static pbus_status make_outlets(pbus_worker *w, pbus_error *err)
{
    char message[512] = "no memory";
    for (size_t i = 0; i < w->n_feeds; i++)
        if (w->subs[i].dead_letter_topic &&
            !(w->feeds[i].outlet = outlet_new(&w->feeds[i], message, sizeof message)))
            return failure(err, PBUS_ERROR_ARGUMENT, "subscription \"%s\": no producer for dead letters: %s",
                           w->subs[i].key, message);
    return PBUS_OK;
}

static pbus_status start_threads(pbus_worker *w, pbus_error *err)
{
    for (size_t i = 0; i < w->n_feeds; i++)
        if (!lanes_start(&w->feeds[i]) || !reader_start(&w->feeds[i])) {
            pthread_mutex_lock(&w->feeds[i].lock);
            w->feeds[i].reader_ended = true;
            pthread_mutex_unlock(&w->feeds[i].lock);
            return failure(err, PBUS_ERROR_MEMORY, "a thread cannot be started");
        }
    return PBUS_OK;
}

pbus_status pbus_worker_start(const pbus_worker_options *options, pbus_worker **out_worker, pbus_error *err)
{
    pbus_status status = check_options(options, err);
    if (status != PBUS_OK)
        return status;
    if (!out_worker)
        return failure(err, PBUS_ERROR_ARGUMENT, "out_worker is NULL");
    pbus_worker *w = calloc(1, sizeof *w);
    if (!w || !copy_config(&w->cfg, options)) {
        pbus_worker_free(w);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for a worker");
    }
    status = reader_check(&w->cfg, err);
    if (status == PBUS_OK)
        status = copy_subscriptions(w, options, err);
    if (status == PBUS_OK)
        status = make_feeds(w, err);
    if (status == PBUS_OK && !census_init(&w->census, &w->cfg, w->feeds, w->n_feeds))
        status = failure(err, PBUS_ERROR_MEMORY, "no memory for a worker's figures");
    if (status == PBUS_OK)
        status = w->cfg.conninfo ? subscribe(w, err) : make_outlets(w, err);
    if (status == PBUS_OK)
        status = start_threads(w, err);
    if (status == PBUS_OK)
        *out_worker = w;
    else
        pbus_worker_free(w);
    return status;
}

static void ask_to_stop(feed *f, bool abandon)
{
    feed_stop(f);
    pthread_mutex_lock(&f->lock);
    f->abandoned = f->abandoned || abandon;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Whether its threads have ended by then. */
static bool wait_for_end(feed *f, int64_t until_ms)
{
    pthread_mutex_lock(&f->lock);
    while ((f->n_lanes_running > 0 || (f->reader_started && !f->reader_ended)) && feed_now_ms() < until_ms)
        feed_wait(f, &f->changed, until_ms);
    bool ended = f->n_lanes_running == 0 && (!f->reader_started || f->reader_ended);
    pthread_mutex_unlock(&f->lock);
    return ended;
}

static bool all_ended(pbus_worker *w, int64_t until_ms)
{
    bool ended = true;
    for (size_t i = 0; i < w->n_feeds; i++)
        ended = wait_for_end(&w->feeds[i], until_ms) && ended;
    return ended;
}

pbus_status pbus_worker_stop(pbus_worker *worker, int64_t deadline_ms, pbus_error *err)
{
    if (!worker)
        return failure(err, PBUS_ERROR_ARGUMENT, "worker is NULL");
    int64_t until_ms = feed_now_ms() + (deadline_ms > 0 ? deadline_ms : 0);
    for (size_t i = 0; i < worker->n_feeds; i++)
        ask_to_stop(&worker->feeds[i], false);
    census_stop(&worker->census);
    if (!all_ended(worker, until_ms)) {
        for (size_t i = 0; i < worker->n_feeds; i++) {
            ask_to_stop(&worker->feeds[i], true);
            lanes_cancel(&worker->feeds[i]);
        }
        if (!all_ended(worker, feed_now_ms() + AFTER_CANCEL_MS))
            return failure(err, PBUS_ERROR_BUSY, "a handler has not returned within %lld ms; it still runs",
                           (long long)deadline_ms);
    }
    for (size_t i = 0; i < worker->n_feeds; i++) {
        lanes_join(&worker->feeds[i]);
        reader_join(&worker->feeds[i]);
    }
    return PBUS_OK;
}

void pbus_worker_free(pbus_worker *worker)
{
    pbus_error ignored;
    if (!worker)
        return;
    for (size_t i = 0; i < worker->n_feeds; i++)
        ask_to_stop(&worker->feeds[i], false);
    while (!all_ended(worker, INT64_MAX / 2) || pbus_worker_stop(worker, 0, &ignored) != PBUS_OK)
        continue;
    census_done(&worker->census);
    for (size_t i = 0; i < worker->n_feeds; i++)
        feed_done(&worker->feeds[i]);
    for (size_t i = 0; i < worker->n_subs; i++)
        subscription_done(&worker->subs[i]);
    for (size_t i = 0; i < worker->cfg.n_kafka; i++) {
        free(worker->cfg.kafka[i].name);
        free(worker->cfg.kafka[i].value);
    }
    free(worker->cfg.kafka);
    free(worker->cfg.application);
    free(worker->cfg.headers.id);
    free(worker->cfg.headers.type);
    free(worker->cfg.headers.relayed_at);
    free(worker->cfg.conninfo);
    free(worker->cfg.brokers);
    free(worker->subs);
    free(worker->feeds);
    free(worker);
}

bool pbus_worker_count(const pbus_worker *worker, const char *key, pbus_worker_counts *out_counts)
{
    for (size_t i = 0; worker && key && i < worker->n_feeds; i++)
        if (strcmp(worker->subs[i].key, key) == 0) {
            *out_counts = measure_counts(&worker->feeds[i]);
            return true;
        }
    return false;
}

static size_t n_topics_of(const pbus_worker *worker)
{
    size_t n = 0;
    for (size_t i = 0; i < worker->n_subs; i++)
        n += worker->subs[i].n_topics;
    return n;
}

pbus_status pbus_worker_write_metrics(pbus_worker *worker, FILE *to, pbus_error *err)
{
    if (!worker || !to)
        return failure(err, PBUS_ERROR_ARGUMENT, "%s is NULL", worker ? "to" : "worker");
    subscriber_measures *each = calloc(worker->n_feeds, sizeof *each);
    subscriber_topic *topics = calloc(n_topics_of(worker), sizeof *topics), *next = topics;
    bool ok = each && topics;
    if (ok)
        census_want(&worker->census);
    for (size_t i = 0; ok && i < worker->n_feeds; i++) {
        census_answer known = census_read(&worker->census, i);
        measure_feed(&worker->feeds[i], &known, next, &each[i]);
        next += each[i].n_topics;
    }
    if (ok)
        subscriber_metrics_write(each, worker->n_feeds, to);
    free(each);
    free(topics);
    return ok ? PBUS_OK : failure(err, PBUS_ERROR_MEMORY, "no memory for metrics");
}

typedef bool judge(feed *f, char *reason, size_t reason_size);

/* Of all subscriptions that hold, a line for each; *out_n: how many there are. */
static bool judge_all(pbus_worker *worker, judge *by, char *out_reason, size_t reason_size, size_t *out_n)
{
    bool well = true;
    size_t used = 0;
    *out_n = 0;
    for (size_t i = 0; i < worker->n_feeds; i++) {
        char reason[200];
        bool over = measure_is_over(&worker->feeds[i]);
        bool is_well = by(&worker->feeds[i], reason, sizeof reason);
        *out_n += !over;
        well = well && (over || is_well);
        if (used < reason_size) {
            int n = snprintf(out_reason + used, reason_size - used, "%s%s: %s", i ? "\n" : "",
                             worker->subs[i].key, reason);
            used += n > 0 ? (size_t)n : 0;
        }
    }
    return well;
}

bool pbus_worker_is_ready(pbus_worker *worker, char *out_reason, size_t reason_size)
{
    size_t n;
    return judge_all(worker, measure_is_ready, out_reason, reason_size, &n) && n > 0;
}

bool pbus_worker_is_alive(pbus_worker *worker, char *out_reason, size_t reason_size)
{
    size_t n;
    return judge_all(worker, measure_is_alive, out_reason, reason_size, &n);
}
