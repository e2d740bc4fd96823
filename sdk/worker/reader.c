/* Reads the topics of a subscription and hands its events to the lanes; must never stop asking librdkafka for long, or the group takes the
 * partitions away. */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assignment.h"
#include "kafka.h"
#include "lane.h"
#include "ledger.h"
#include "offsets.h"
#include "postbus_sql.h"
#include "tally.h"

enum {
    POLL_MS = 100,
    FULL_MS =
        300, /* how long room is waited for before partitions are paused: a pause throws away what was fetched */
    MOVE_MS = 300,
    LOOK_MS = 2000,
    OUT_OF_STEP_MS = 797,
    ASK_MARGIN_MS = 200,
    ASK_MOST_MS = 2000,
    ROTATE_MS = 10000,
    RECONNECT_MS = 1000,
    STATEMENT_MS = 30000,
    COMMIT_MS = 5000,
    ROTATE_STATEMENT_MS =
        240000, /* it may read millions of rows; and the group's patience (max.poll.interval.ms) is 300 s */
};

typedef struct reader {
    feed *feed;
    session session;
    rd_kafka_t *rk;
    assignment mine;
    offsets offsets;   /* without a database */
    int64_t settle_ms; /* how long handlers may keep partitions from going to another member */
    int ask_ms;        /* how long brokers are waited for */
    int64_t connect_at_ms, move_at_ms, look_at_ms, end_at_ms, rotate_at_ms, ask_at_ms;
    int64_t full_since_ms; /* 0: there is room */
    bool brokers_away;     /* as of the feed */
    bool fatal;            /* the consumer is to be made anew */
} reader;

static bool has_database(const reader *r)
{
    return r->feed->cfg->positions == PBUS_POSITIONS_DATABASE;
}

static void database_failed(reader *r, const pbus_error *err)
{
    feed_tell(r->feed, PBUS_NOTICE_DATABASE, NULL, 0, "%s", err->message);
    session_close(&r->session);
    feed_lose(r->feed);
    r->connect_at_ms = feed_now_ms() + RECONNECT_MS;
}

/* Ends the feed where the subscription has been ended in the database. And where reading goes on is written to the disk, since it tells what is to be handled
 * again after a crash: soon also where somebody has changed the setting meanwhile. Where it begins is there before anything is handled (place_anywhere). */
static pbus_status look(reader *r, pbus_error *err)
{
    feed *f = r->feed;
    bool holds;
    r->look_at_ms = feed_now_ms() + LOOK_MS;
    pbus_status status = ledger_holds(&r->session, f->id, f->cfg->application, f->sub->key, &holds, err);
    if (status == PBUS_OK)
        status = session_make_durable(&r->session, err);
    if (status != PBUS_OK || holds || feed_is_stopping(f))
        return status;
    feed_tell(f, PBUS_NOTICE_UNSUBSCRIBED, NULL, 0, "the subscription has been ended");
    feed_stop(f);
    return PBUS_OK;
}

/* Looks each time: the database that is there now may be an earlier one. */
static bool connected(reader *r)
{
    pbus_error err;
    feed *f = r->feed;
    if (r->session.conn)
        return true;
    if (feed_now_ms() < r->connect_at_ms)
        return false;
    if (session_open(&r->session, f->cfg->conninfo, feed_session_name(f, "reader").text, STATEMENT_MS,
                     &err) == PBUS_OK &&
        look(r, &err) == PBUS_OK)
        return true;
    database_failed(r, &err);
    return false;
}

/* While handlers are waited for, too: other members take one whose reader says nothing for one that stands still. */
static void look_again(reader *r)
{
    pbus_error err;
    if (has_database(r) && feed_now_ms() >= r->look_at_ms && connected(r) && look(r, &err) != PBUS_OK)
        database_failed(r, &err);
}

static void move(reader *r)
{
    pbus_error err;
    r->move_at_ms = feed_now_ms() + MOVE_MS;
    if (!has_database(r))
        offsets_move(&r->offsets, 0);
    else if (r->mine.n_placed > 0 && connected(r) && assignment_move(&r->mine, &err) != PBUS_OK)
        database_failed(r, &err);
}

static void give_up(reader *r)
{
    pbus_error err;
    if (r->mine.n_placed > 0 && connected(r) && assignment_give_up(&r->mine, &err) != PBUS_OK)
        database_failed(r, &err);
}

/* Without an inbox nobody else can tell what this member is handling: it is waited for, and committed, before partitions are begun by another, or anew by
 * this one. Unless the group has given them to others already. */
static void settle(reader *r)
{
    if (r->mine.n_placed == 0 || rd_kafka_assignment_lost(r->rk))
        return;
    feed_settle(r->feed, feed_now_ms() + r->settle_ms);
    offsets_move(&r->offsets, COMMIT_MS);
}

static pbus_status place_anywhere(reader *r, pbus_error *err)
{
    if (has_database(r)) {
        pbus_status status = session_make_durable(&r->session, err);
        return status == PBUS_OK ? assignment_place(&r->mine, err) : status;
    }
    settle(r);
    return offsets_place(&r->offsets, err);
}

static void place(reader *r)
{
    pbus_error err;
    if (has_database(r) && !connected(r))
        return;
    if (place_anywhere(r, &err) == PBUS_OK)
        feed_tell(r->feed, PBUS_NOTICE_ASSIGNED, NULL, (int64_t)r->mine.n_placed, "%zu partitions",
                  r->mine.n_placed);
    else if (has_database(r))
        database_failed(r, &err);
    else
        feed_tell(r->feed, PBUS_NOTICE_KAFKA, NULL, 0, "%s", err.message);
}

/* Before what the group gave is another's. */
static void let_go(reader *r)
{
    if (!has_database(r)) {
        settle(r);
        return;
    }
    move(r);
    give_up(r);
}

/* Whatever the group says, the old partitions are gone first: what is being handled may end, what is queued is not begun. */
static void rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *partitions,
                      void *opaque)
{
    reader *r = opaque;
    (void)rk;
    let_go(r);
    assignment_resume(&r->mine);
    if (r->mine.n_placed > 0)
        feed_tell(r->feed, PBUS_NOTICE_REVOKED, NULL, (int64_t)r->mine.n_placed, "%zu partitions",
                  r->mine.n_placed);
    assignment_drop(&r->mine);
    bool assigned = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    assignment_want(&r->mine, assigned ? partitions : NULL);
    if (!assigned) {
        rd_kafka_assign(r->rk, NULL);
        return;
    }
    feed_count(r->feed, &r->feed->counts.n_rebalances);
    place(r);
    if (r->mine.n_placed == 0 && r->mine.place_at_ms != INT64_MAX) {
        /* Not now: the group is told that they are taken, and nothing is read. */
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        rd_kafka_assign(r->rk, none);
        rd_kafka_topic_partition_list_destroy(none);
    }
}

static void note_brokers(reader *r, bool away)
{
    feed *f = r->feed;
    r->brokers_away = away;
    pthread_mutex_lock(&f->lock);
    f->brokers_away = away;
    pthread_mutex_unlock(&f->lock);
}

/* librdkafka tells when all are gone, and not when one is back. The answer comes behind that to a fetch, for which brokers take their time. Where that is longer than
 * they are waited for, the questions must not come in step with the fetches: each would be in vain. */
static void look_for_brokers(reader *r)
{
    const struct rd_kafka_metadata *told;
    int64_t now_ms = feed_now_ms();
    r->ask_at_ms = now_ms + LOOK_MS + now_ms % OUT_OF_STEP_MS;
    if (rd_kafka_metadata(r->rk, 0, NULL, &told, r->ask_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    rd_kafka_metadata_destroy(told);
    note_brokers(r, false);
}

static void complain(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    reader *r = opaque;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        note_brokers(r, true);
    feed_tell(r->feed, PBUS_NOTICE_KAFKA, NULL, code, "%s", reason);
}

static void on_error(reader *r, const rd_kafka_message_t *record)
{
    feed *f = r->feed;
    if (record->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        r->mine.place_at_ms = 0; /* what was to be read is gone: looked at, and told, when it is placed */
    else if (record->err == RD_KAFKA_RESP_ERR__FATAL)
        r->fatal = true;
    feed_tell_place(f, PBUS_NOTICE_KAFKA, record->rkt ? rd_kafka_topic_name(record->rkt) : NULL,
                    record->partition, -1, record->err, rd_kafka_message_errstr(record));
}

/* By which the lag is told; a record without one was published when it was read, as far as is known. */
static int64_t timestamp_of(const event *e)
{
    return e->view.timestamp_ms >= 0 ? e->view.timestamp_ms : feed_wall_ms();
}

/* Queues it with its lane. false: no memory, and nothing was changed. */
static bool dispatch(reader *r, size_t place, event *e)
{
    feed *f = r->feed;
    pthread_mutex_lock(&f->lock);
    bool ok = window_add(&f->windows[place], e->view.offset, timestamp_of(e), &e->ticket);
    if (ok) {
        e->generation = f->generation;
        e->window = place;
        f->counts.n_read++;
        f->counts.n_queued++;
        f->queued_bytes += (int64_t)e->size_bytes;
        lanes_put(f, e);
    }
    pthread_mutex_unlock(&f->lock);
    return ok;
}

static void pass(reader *r, size_t place, const event *e)
{
    feed *f = r->feed;
    pthread_mutex_lock(&f->lock);
    window_pass(&f->windows[place], e->view.offset, timestamp_of(e));
    f->counts.n_read++;
    f->counts.n_unwanted++;
    pthread_mutex_unlock(&f->lock);
}

/* No memory: it is read again from the stored position. */
static void no_memory(reader *r)
{
    feed_tell(r->feed, PBUS_NOTICE_KAFKA, NULL, 0, "no memory for an event");
    feed_lose(r->feed);
}

static void on_record(reader *r, const rd_kafka_message_t *record)
{
    feed *f = r->feed;
    size_t place = assignment_find(&r->mine, rd_kafka_topic_name(record->rkt), record->partition);
    if (place == r->mine.n_placed || record->offset < f->windows[place].read_next)
        return; /* of an assignment that is over */
    const partition *p = &r->mine.placed[place];
    event *e = event_from_record(record, p->topic, p->incarnation, &f->cfg->headers);
    filter_match match = e ? subscription_wants(f->sub, e) : FILTER_NO_MEMORY;
    if (match == FILTER_NO) {
        pass(r, place, e);
        event_free(e);
        return;
    }
    if (match != FILTER_NO_MEMORY) {
        tally_moment now = tally_now();
        e->read_us = now.us;
        e->read_ms = now.wall_ms;
        e->source = p->source;
        e->has_queue = record->key && !f->sub->unordered;
        e->unreadable = match == FILTER_UNREADABLE;
        e->unjudged = match == FILTER_OPEN;
        e->size_bytes += e->view.value_json_size;
        e->doubted = assignment_doubts(&r->mine, place, record->offset);
        if (dispatch(r, place, e))
            return;
    }
    event_free(e);
    no_memory(r);
}

/* Waits a moment for room; says whether there is none. */
static bool wait_for_room(reader *r)
{
    feed *f = r->feed;
    int64_t until_ms = feed_now_ms() + POLL_MS;
    pthread_mutex_lock(&f->lock);
    while (feed_fill(f) && !f->stopping && feed_now_ms() < until_ms) {
        if (!r->full_since_ms)
            r->full_since_ms = feed_now_ms();
        feed_wait(f, &f->changed, until_ms);
    }
    bool full = feed_fill(f);
    if (!full)
        r->full_since_ms = 0;
    pthread_mutex_unlock(&f->lock);
    return full;
}

/* One turn: pressure, then at most one record. While there is no room, librdkafka is asked only with everything paused: it then serves the
 * group, and has no records. */
static void turn(reader *r)
{
    bool full = wait_for_room(r);
    bool paused = full && feed_now_ms() - r->full_since_ms >= FULL_MS;
    if (full && !paused)
        return;
    assignment_pause(&r->mine, paused);
    rd_kafka_message_t *record = rd_kafka_consumer_poll(r->rk, paused ? 0 : POLL_MS);
    if (!record)
        return;
    if (record->err)
        on_error(r, record);
    else
        on_record(r, record);
    rd_kafka_message_destroy(record);
}

/* What a member that stands still was handling is held by its sessions, and lanes of this one may wait for it. */
static void end_silent(reader *r)
{
    pbus_error err;
    PGresult *result;
    const char *value = r->feed->instance;
    r->end_at_ms = feed_now_ms() + LOOK_MS;
    const statement end = {.sql = subscriber_sql_query("end_silent"), .n_params = 1, .values = &value};
    pbus_status status = session_run(&r->session, &end, 1, &result, &err);
    int n = status == PBUS_OK ? atoi(PQgetvalue(result, 0, 0)) : 0;
    PQclear(result);
    if (n > 0)
        feed_tell(r->feed, PBUS_NOTICE_FENCED, NULL, n,
                  "the sessions of a member that stands still were ended");
    if (status != PBUS_OK)
        database_failed(r, &err);
}

/* true: done, or not now. The session is still good then. */
static bool try_rotate(session *s, pbus_error *err)
{
    char long_limit[64], limit[64];
    snprintf(long_limit, sizeof long_limit, "SET statement_timeout = %d", ROTATE_STATEMENT_MS);
    snprintf(limit, sizeof limit, "SET statement_timeout = %d", STATEMENT_MS);
    if (session_execute(s, long_limit, err) != PBUS_OK)
        return false;
    return session_execute(s, "SELECT postbus_inbox.rotate()", err) == PBUS_OK &&
           session_execute(s, limit, err) == PBUS_OK;
}

static void rotate(reader *r)
{
    pbus_error err;
    if (!try_rotate(&r->session, &err))
        database_failed(r, &err);
    r->rotate_at_ms = feed_now_ms() + ROTATE_MS;
}

static void keep_house(reader *r)
{
    feed *f = r->feed;
    int64_t now_ms = feed_now_ms();
    pthread_mutex_lock(&f->lock);
    bool lost = f->lost;
    pthread_mutex_unlock(&f->lock);
    if (lost && r->mine.wanted && r->mine.place_at_ms == INT64_MAX)
        r->mine.place_at_ms = now_ms + RECONNECT_MS / 2;
    if (now_ms >= r->mine.absent_at_ms && assignment_sees_absent(&r->mine))
        r->mine.place_at_ms = now_ms;
    if (now_ms >= r->mine.place_at_ms && r->mine.wanted)
        place(r);
    if (now_ms >= r->move_at_ms)
        move(r);
    if (r->brokers_away && now_ms >= r->ask_at_ms)
        look_for_brokers(r);
    if (!has_database(r))
        return;
    look_again(r);
    if (now_ms >= r->end_at_ms && connected(r))
        end_silent(r);
    if (now_ms >= r->rotate_at_ms && connected(r))
        rotate(r);
}

/* What handlers were stopped in, no process died of. */
static void end_member(reader *r)
{
    pbus_error err;
    PGresult *result;
    const char *value = r->feed->instance;
    if (!connected(r))
        return;
    const statement end = {.sql = subscriber_sql_query("end_member"), .n_params = 1, .values = &value};
    if (session_run(&r->session, &end, 1, &result, &err) != PBUS_OK)
        database_failed(r, &err);
    PQclear(result);
}

/* Lanes finish what they have; the group is served meanwhile, and nothing more is read. */
static void drain(reader *r)
{
    feed *f = r->feed;
    bool running = true;
    while (running) {
        pthread_mutex_lock(&f->lock);
        running = f->n_lanes_running > 0;
        if (running)
            feed_wait(f, &f->changed, feed_now_ms() + POLL_MS);
        pthread_mutex_unlock(&f->lock);
        assignment_pause(&r->mine, true);
        rd_kafka_message_t *record = rd_kafka_consumer_poll(r->rk, 0);
        if (record)
            rd_kafka_message_destroy(record);
        look_again(r);
    }
    move(r);
    if (has_database(r))
        end_member(r);
}

static int64_t setting_ms(rd_kafka_t *rk, const char *name)
{
    char text[24] = "";
    size_t size = sizeof text;
    rd_kafka_conf_get(rd_kafka_conf(rk), name, text, &size);
    return strtoll(text, NULL, 10);
}

/* The group waits for max.poll.interval.ms, and then goes on without this member. */
static int64_t settle_ms(rd_kafka_t *rk)
{
    return setting_ms(rk, "max.poll.interval.ms") * 4 / 5;
}

static int ask_ms(rd_kafka_t *rk)
{
    int64_t fetch_ms = setting_ms(rk, "fetch.wait.max.ms") + ASK_MARGIN_MS;
    return fetch_ms < ASK_MOST_MS ? (int)fetch_ms : ASK_MOST_MS;
}

static void beat(reader *r)
{
    atomic_store_explicit(&r->feed->beat_ms, feed_now_ms(), memory_order_relaxed);
}

/* Others may ask the brokers by the consumer while it is there. */
static void lend(reader *r)
{
    feed *f = r->feed;
    pthread_mutex_lock(&f->lock);
    f->rk = r->rk;
    pthread_mutex_unlock(&f->lock);
}

static void take_back(reader *r)
{
    feed *f = r->feed;
    pthread_mutex_lock(&f->lock);
    f->rk = NULL;
    while (f->n_asking > 0)
        feed_wait(f, &f->changed, feed_now_ms() + POLL_MS);
    pthread_mutex_unlock(&f->lock);
}

/* With one consumer, until the end or until it is of no use any more. */
static void read_on(reader *r)
{
    char message[512];
    feed *f = r->feed;
    r->fatal = false;
    r->rk = kafka_new(f, rebalance, complain, r, message, sizeof message);
    if (!r->rk) {
        feed_tell(f, PBUS_NOTICE_KAFKA, NULL, 0, "%s", message);
        pthread_mutex_lock(&f->lock);
        feed_wait(f, &f->changed, feed_now_ms() + RECONNECT_MS);
        pthread_mutex_unlock(&f->lock);
        return;
    }
    assignment_init(&r->mine, f, &r->session);
    r->mine.rk = r->rk;
    r->settle_ms = settle_ms(r->rk);
    r->ask_ms = ask_ms(r->rk);
    if (!has_database(r))
        offsets_init(&r->offsets, &r->mine);
    lend(r);
    while (!feed_is_stopping(f) && !r->fatal) {
        beat(r);
        turn(r);
        keep_house(r);
    }
    if (feed_is_stopping(f))
        drain(r);
    take_back(r);
    rd_kafka_consumer_close(r->rk);
    assignment_drop(&r->mine);
    offsets_done(&r->offsets);
    rd_kafka_destroy(r->rk);
    assignment_done(&r->mine);
}

static void *reader_run(void *arg)
{
    reader r = {.feed = arg};
    feed *f = r.feed;
    while (!feed_is_stopping(f))
        read_on(&r);
    session_close(&r.session);
    pthread_mutex_lock(&f->lock);
    f->reader_ended = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

pbus_status reader_check(const worker_config *cfg, pbus_error *err)
{
    return kafka_check(cfg, err);
}

bool reader_start(feed *f)
{
    f->reader_started = pthread_create(&f->reader, NULL, reader_run, f) == 0;
    return f->reader_started;
}

void reader_join(feed *f)
{
    if (f->reader_started)
        pthread_join(f->reader, NULL);
    f->reader_started = false;
}
