/* Wraps librdkafka's idempotent producer; must never count a record as published that a broker did not give an offset. */
#include "ship.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "refusal.h"

#define REPORTS_NAP_MS 1
#define ASK_MS 1
#define ASK_AGAIN_US 100000
#define FUTURE_MOST_MS 60000 /* brokers refuse times too far ahead of their clock */
#define BATCH_OVERHEAD_BYTES 1024
#define BATCH_LEAST_BYTES 1024
#define WIRE_LEAST_MS 1000 /* a busy machine may need as long to acknowledge */
#define WIRE_MOST_MS 5000
#define BACKOFF_LEAST_US 100000
#define BACKOFF_MOST_US 5000000
#define LOOK_EVERY_US 250000
#define LOOK_MS 10
#define NOWHERE                                                                                              \
    "127.0.0.1:1" /* of a producer that is made to be destroyed: that waits for a name server which looks for brokers */
#define REFUSALS_MOST 3 /* in a row, of a producer: ten seconds */

/* One request in flight with the gapless guarantee: with more, librdkafka 2.0.2 can report a record as delivered that was never written
 * (first request of a new producer id refused, second accepted), and lets later records overtake one that is refused for good. */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"max.in.flight.requests.per.connection", "1"},
    {"queue.buffering.max.kbytes", "2097151"},
    {"message.timeout.ms", "0"},
    {"topic.metadata.propagation.max.ms", "2000"}, /* a missing topic holds up a transaction for as long */
    {"partitioner", "murmur2_random"},
    {"socket.nagle.disable", "true"},
    {"linger.ms", "0"},
    {"compression.codec", "lz4"},
    {"message.max.bytes", "1000000000"},
    {"queue.buffering.max.messages", "1000000"},
    {"topic.metadata.refresh.interval.ms", "60000"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "2000"},
    {"client.id", "postbus-relay"},
    {"transaction.timeout.ms", "30000"},
};

/* One record a request, so that a refusal is of one record; the order of a key is alone.c's to keep. Idempotence would cost tens of
 * milliseconds a refusal: librdkafka drains and takes a new epoch. */
static const struct {
    const char *name, *value;
} alone_settings[] = {
    {"enable.gapless.guarantee", "false"},
    {"enable.idempotence", "false"},
    {"acks", "all"},
    {"retries", "0"},
    {"batch.num.messages", "1"},
    {"linger.ms", "0"},
    {"max.in.flight.requests.per.connection", "5"},
};

/* On a thread of this producer, mostly librdkafka's own. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const gate *of = rd_kafka_opaque(rk);
    log_database(of->database);
    log_event(level <= 3 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "kafka.log", "facility=%s text=%s", facility,
              text);
}

static bool set(ship *s, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    return rd_kafka_conf_set(conf, name, value, s->reason, sizeof s->reason) == RD_KAFKA_CONF_OK;
}

static rd_kafka_conf_t *make_conf(ship *s, bool alone)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof defaults / sizeof defaults[0]; i++)
        ok = set(s, conf, defaults[i].name, defaults[i].value);
    for (size_t i = 0; ok && i < s->cfg->n_kafka; i++)
        ok = set(s, conf, s->cfg->kafka[i].name, s->cfg->kafka[i].value);
    ok = ok && set(s, conf, "bootstrap.servers", s->cfg->brokers);
    ok = ok && (!s->transactional || set(s, conf, "transactional.id", s->transactional_id));
    char bytes[24];
    snprintf(bytes, sizeof bytes, "%lld", (long long)s->batch_bytes);
    ok = ok && (s->batch_bytes == 0 || set(s, conf, "batch.size", bytes));
    for (size_t i = 0; ok && alone && i < sizeof alone_settings / sizeof alone_settings[0]; i++)
        ok = set(s, conf, alone_settings[i].name, alone_settings[i].value);
    if (!ok) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    gate_guard(s->gate, conf);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT |
                                       RD_KAFKA_EVENT_CREATETOPICS_RESULT);
    return conf;
}

/* Half of the lease is for what is on its way to a broker (lease.h). */
static int wire_ms(const config *cfg)
{
    int64_t half_ms = cfg->lease_ms / 2;
    return half_ms < WIRE_LEAST_MS ? WIRE_LEAST_MS : half_ms > WIRE_MOST_MS ? WIRE_MOST_MS : (int)half_ms;
}

bool ship_init(ship *s, const config *cfg, void (*on_acked)(void *, row *),
               void (*on_alone_failed)(void *, row *, int), void *arg)
{
    *s = (ship){.cfg = cfg,
                .topics = {.cfg = cfg},
                .event_fd = -1,
                .backoff_us = BACKOFF_LEAST_US,
                .on_acked = on_acked,
                .on_alone_failed = on_alone_failed,
                .on_acked_arg = arg};
    record_maker_init(&s->maker, cfg);
    s->gate = gate_new(cfg->name, wire_ms(cfg));
    if (!s->gate) {
        strncpy(s->reason, "out of memory", sizeof s->reason - 1);
        return false;
    }
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->event_fd < 0) {
        strncpy(s->reason, strerror(errno), sizeof s->reason - 1);
        return false;
    }
    rd_kafka_conf_t *conf = make_conf(s, false);
    if (!conf)
        return false;
    char bytes[24] = "";
    size_t size = sizeof bytes;
    rd_kafka_conf_get(conf, "batch.size", bytes, &size);
    s->batch_bytes = strtoll(bytes, NULL, 10);
    rd_kafka_conf_destroy(conf);
    return true;
}

/* A file that is not there, a limit of threads: librdkafka looks at them when it makes a producer, not when it is configured. */
static rd_kafka_t *make_producer(ship *s, const char *brokers, int64_t now_us)
{
    rd_kafka_conf_t *conf = make_conf(s, false);
    if (conf)
        rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_t *rk = conf ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, s->reason, sizeof s->reason) : NULL;
    if (rk) {
        s->n_refused = 0;
        return rk;
    }
    if (conf)
        rd_kafka_conf_destroy(conf);
    log_event(LOG_LEVEL_ERROR, "producer.refused", "reason=%s", s->reason);
    s->n_refused++;
    s->restart_at_us = now_us + BACKOFF_MOST_US;
    return NULL;
}

bool ship_gives_up(const ship *s)
{
    return s->n_refused >= REFUSALS_MOST;
}

bool ship_may_lead(ship *s, int64_t now_us)
{
    if (!ship_gives_up(s))
        return true;
    if (now_us < s->restart_at_us)
        return false;
    bool transactional = s->transactional;
    s->transactional = false; /* its id would end the leader's transaction */
    rd_kafka_t *rk = make_producer(s, NOWHERE, now_us);
    s->transactional = transactional;
    if (rk)
        rd_kafka_destroy(rk);
    return rk != NULL;
}

bool ship_start(ship *s, int64_t now_us)
{
    s->now_us = now_us;
    s->wall_ms = clock_wall_ms();
    if (s->producer)
        return true;
    if (now_us < s->restart_at_us)
        return false;
    s->producer = make_producer(s, s->cfg->brokers, now_us);
    if (!s->producer)
        return false;
    static const uint64_t one = 1;
    s->queue = rd_kafka_queue_get_main(s->producer);
    rd_kafka_queue_io_event_enable(s->queue, s->event_fd, &one, sizeof one);
    s->broken = s->gapless = s->refused = false;
    s->topics.transactional = s->transactional;
    if (s->transactional)
        transaction_start(&s->transaction, s->producer, s->transactional_id, s->event_fd);
    ship_serve(
        s,
        now_us); /* the descriptor tells of the first event in an empty queue: what came before it was enabled would silence it */
    return true;
}

static void mark_broken(ship *s, const char *what, const char *detail)
{
    if (s->broken)
        return;
    s->broken = true;
    snprintf(s->reason, sizeof s->reason, "%s: %s", what, detail);
}

/* librdkafka tells of it whoever asks next: by an event, or by not taking a record that is not to blame. */
static bool heed_fatal(ship *s)
{
    char why[256] = "";
    rd_kafka_resp_err_t cause = s->producer ? rd_kafka_fatal_error(s->producer, why, sizeof why) : 0;
    if (!cause)
        return false;
    s->transaction.fenced |= cause == RD_KAFKA_RESP_ERR__FENCED;
    s->gapless |= !s->broken && cause == RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE;
    mark_broken(s, "fatal error of the producer", why);
    return true;
}

static int64_t timestamp_of(const ship *s, const topic *t, const page_event *e)
{
    if (t->oldest_ms != INT64_MAX && s->wall_ms - e->created_at_ms > t->oldest_ms)
        return 0; /* now */
    if (e->created_at_ms > s->wall_ms + FUTURE_MOST_MS)
        return 0;
    return e->created_at_ms;
}

static ship_answer never(row *r, int refusal)
{
    r->refusal_at = refusal;
    r->suspect = true;
    return SHIP_SUSPECT;
}

/* An answer that comes later is taken as well. __TIMED_OUT: a broker is connected, which took its answer to the first question of a connection, and has not
 * answered this one yet. __TRANSPORT: none is. */
static rd_kafka_resp_err_t ask_about_topics(rd_kafka_t *rk, int wait_ms)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, NULL, &metadata, wait_ms);
    if (!err)
        rd_kafka_metadata_destroy(metadata);
    return err;
}

/* Of what the brokers said last librdkafka is sure, until it happens to ask them again: it is asked to, for the next time. */
static ship_answer topic_not_taken(ship *s, topic *t, row *r, int refusal)
{
    if (s->now_us >= s->ask_again_us) {
        s->ask_again_us = s->now_us + ASK_AGAIN_US;
        ask_about_topics(s->producer, ASK_MS);
        if (s->alone)
            ask_about_topics(s->alone, ASK_MS);
    }
    r->refusal_at = refusal;
    if (r->alone)
        return SHIP_SUSPECT;
    topic_refused(&s->topics, t, refusal, clock_now_us());
    return SHIP_PARK;
}

/* What librdkafka says at once. */
static ship_answer not_taken(ship *s, topic *t, row *r, rd_kafka_resp_err_t err)
{
    int refusal = refusal_at_once(err);
    if (refusal >= 0)
        return refusal_get(refusal).of_topic ? topic_not_taken(s, t, r, refusal) : never(r, refusal);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return SHIP_WAIT;
    if (t->first.held)
        return SHIP_LATER;
    if (err == RD_KAFKA_RESP_ERR__STATE && s->transaction.state == TRANSACTION_OPEN) {
        s->transaction.failed =
            true; /* librdkafka knows it already, by a record before this one: the abort finds out why */
        return SHIP_WAIT;
    }
    if (heed_fatal(s))
        return SHIP_WAIT;
    log_event(LOG_LEVEL_ERROR, "record.refused", "topic=%s id=%lld reason=%s", t->name, (long long)r->id,
              rd_kafka_err2str(err));
    mark_broken(s, "record refused", rd_kafka_err2name(err));
    return SHIP_WAIT;
}

/* What leaves: of a topic that is bound to a schema, JSON as Avro. */
static binding_answer value_of(ship *s, topic *t, const page_event *e, page_bytes *out)
{
    *out = e->value;
    if (!s->bindings.list)
        return BINDING_AS_IS;
    if (t->binding_generation != s->bindings.generation) {
        t->binding = bindings_find(&s->bindings, t->name);
        t->binding_generation = s->bindings.generation;
    }
    return t->binding ? bindings_encode(&s->bindings, t->binding, e, out) : BINDING_AS_IS;
}

static ship_answer produce(ship *s, rd_kafka_t *rk, topic *t, row *r, const page_event *e)
{
    bool ok;
    page_bytes value;
    if (transaction_is_on(&s->transaction) && !transaction_takes(&s->transaction, r, clock_now_us()))
        return SHIP_WAIT;
    binding_answer bound = value_of(s, t, e, &value);
    if (bound == BINDING_NO_MEMORY)
        return SHIP_WAIT;
    if (bound == BINDING_MISFIT)
        return never(r, REFUSAL_MISFIT);
    if (s->maker.relayed_at_header)
        record_maker_set_time(&s->maker, clock_wall_ms());
    rd_kafka_headers_t *headers = record_headers(&s->maker, e, &ok);
    if (!ok)
        return never(r, REFUSAL_MALFORMED);
    /* Flags 0: the value stays ours, in the page, until its report. What was encoded is copied. */
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = t->handle},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = bound == BINDING_ENCODED ? RD_KAFKA_MSG_F_COPY : 0},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = (void *)(uintptr_t)value.data, .size = value.size}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = (void *)(uintptr_t)e->key.data, .size = e->key.size}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_of(s, t, e)},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = r},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    if (rk != s->producer)
        vus[0] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = t->name};
    first_flight_forget_chosen();
    rd_kafka_error_t *error = rd_kafka_produceva(rk, vus, headers ? 7 : 6);
    if (!error) {
        int slot = rk == s->alone || r->alone ? FLIGHT_ALONE : FLIGHT_PLACED + (int)first_flight_chosen();
        r->state = ROW_SENT;
        r->copied = bound == BINDING_ENCODED;
        if (r->copied)
            page_add_copy(r->page, value.size);
        r->flight = flights_sent(&t->flights, slot, s->now_us);
        if (transaction_is_on(&s->transaction))
            transaction_sent(&s->transaction, r, t, clock_now_us());
        return SHIP_SENT;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return not_taken(s, t, r, code);
}

ship_answer ship_row(ship *s, topic *t, row *r, const page_event *e, bool from_lane)
{
    if (s->broken || !s->producer || s->bindings.stale)
        return SHIP_WAIT;
    if (!from_lane && (t->state == TOPIC_MISSING || t->lane_open))
        return SHIP_PARK;
    if (t->state == TOPIC_UNKNOWN && t->unknown_since_us == 0)
        t->unknown_since_us = s->now_us;
    if (t->state != TOPIC_READY || !first_flight_may_send(&t->first))
        return SHIP_LATER;
    ship_answer answer = produce(s, s->producer, t, r, e);
    if (answer == SHIP_SENT)
        t->first.sent = true;
    return answer;
}

bool ship_goes_on(const topic *t)
{
    return t->lane_open || t->state == TOPIC_MISSING ||
           (t->state == TOPIC_READY && first_flight_goes_on(&t->first));
}

static bool start_alone(ship *s)
{
    char why[200] = "its settings are refused";
    rd_kafka_conf_t *conf = make_conf(s, true);
    if (conf && !(s->alone = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why)))
        rd_kafka_conf_destroy(conf);
    if (!s->alone) {
        mark_broken(s, "no second producer", why);
        return false;
    }
    static const uint64_t one = 1;
    s->alone_queue = rd_kafka_queue_get_main(s->alone);
    rd_kafka_queue_io_event_enable(s->alone_queue, s->event_fd, &one, sizeof one);
    rd_kafka_event_t *early; /* as in ship_start: what came before would silence the descriptor */
    while ((early = rd_kafka_queue_poll(s->alone_queue, 0)))
        rd_kafka_event_destroy(early);
    return true;
}

ship_answer ship_alone(ship *s, topic *t, row *r, const page_event *e)
{
    if (s->broken || !s->producer || s->bindings.stale)
        return SHIP_WAIT;
    if (t->state != TOPIC_READY)
        return SHIP_LATER;
    if (transaction_is_on(&s->transaction)) /* which undoes what else is refused with it */
        return produce(s, s->producer, t, r, e);
    return s->alone || start_alone(s) ? produce(s, s->alone, t, r, e) : SHIP_WAIT;
}

/* Of the first producer; the topic of what is sent alone is alone.c's to know. */
static void note_flight(ship *s, row *r, const rd_kafka_message_t *m, bool answered)
{
    const first_flight *first = r->alone ? NULL : rd_kafka_topic_opaque(m->rkt);
    if (!first || !first->topic)
        return;
    if (answered)
        flights_answered(&first->topic->flights, r->flight, s->now_us);
    else
        flights_failed(&first->topic->flights, r->flight, s->now_us);
}

static void note_taken(const row *r, const rd_kafka_message_t *m)
{
    const first_flight *first = r->alone ? NULL : rd_kafka_topic_opaque(m->rkt);
    if (!first || !first->topic)
        return;
    flights_took(&first->topic->flights, m->partition, true);
    topic_takes(first->topic);
}

static void acknowledged(ship *s, row *r, const rd_kafka_message_t *m)
{
    note_flight(s, r, m, true);
    note_taken(r, m);
    s->answered_us = s->now_us;
    r->offset = m->offset;
    r->partition = m->partition;
    s->n_acked++;
    if (!r->alone && !s->transactional)
        first_flight_acked(rd_kafka_topic_opaque(m->rkt), m->partition);
    s->backoff_us = BACKOFF_LEAST_US;
    s->on_acked(s->on_acked_arg, r);
}

/* All records of a refused request are reported so, the innocent ones too. */
static void suspect(ship *s, row *r, const rd_kafka_message_t *m, int refusal)
{
    const char *name = rd_kafka_topic_name(m->rkt);
    topic *t = topic_find(&s->topics, name, strlen(name));
    int64_t now_us = clock_now_us();
    if (refusal_get(refusal).of_topic)
        topic_refused(&s->topics, t, refusal, now_us);
    else if (!refusal_is_unclear(refusal))
        r->suspect = true; /* else all of its topic is doubted, for a while */
    if (refusal_is_unclear(refusal)) {
        topic_doubt(t, now_us);
        flights_refused(&t->flights, m->partition, false, now_us);
    }
    s->refused |= !s->broken;
}

static void log_failed(const row *r, const rd_kafka_message_t *m, int refusal)
{
    log_event(refusal >= 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "record.failed",
              "topic=%s partition=%d id=%lld reason=%s", rd_kafka_topic_name(m->rkt), (int)m->partition,
              (long long)r->id,
              m->err ? rd_kafka_err2str(m->err) : "reported as delivered without an offset");
}

/* Its failure aborts the transaction. Who is guilty is known of a record that was sent alone, and else found out by smaller transactions. */
static void failed_in_transaction(ship *s, row *r, const rd_kafka_message_t *m)
{
    transaction *x = &s->transaction;
    int refusal = m->partition < 0 ? refusal_at_once(m->err) : refusal_of(m->err);
    bool first = !x->failed && !s->purging;
    transaction_reported(x, false, refusal);
    r->state = ROW_WAITING;
    note_flight(s, r, m, false);
    r->partition = m->partition; /* in the place of the flight */
    if (r->alone)
        s->on_alone_failed(s->on_acked_arg, r, s->purging ? -1 : refusal);
    else if (refusal >= 0 && (x->n_rows == 1 || x->owner || refusal_get(refusal).of_topic))
        suspect(s, r, m, refusal);
    if (first)
        log_failed(r, m, refusal);
}

static void report_in_transaction(ship *s, row *r, const rd_kafka_message_t *m)
{
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR || m->offset < 0) {
        failed_in_transaction(s, r, m);
        return;
    }
    transaction_reported(&s->transaction, true, -1);
    acknowledged(s, r, m);
}

/* Other errors are librdkafka's own: of a record that was taken back, or of a topic as it remembers it. */
static bool is_of_broker(const rd_kafka_message_t *m)
{
    return m->partition >= 0 && m->err >= RD_KAFKA_RESP_ERR_UNKNOWN;
}

static void report(ship *s, const rd_kafka_message_t *m)
{
    row *r = m->_private;
    s->taken_back = s->purging || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE;
    if (r->copied) {
        r->copied = false;
        page_drop_copy(r->page, m->len);
    }
    if (transaction_is_on(&s->transaction)) {
        report_in_transaction(s, r, m);
        return;
    }
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset >= 0) {
        acknowledged(s, r, m);
        return;
    }
    int refusal = m->partition < 0 ? refusal_at_once(m->err) : refusal_of_answer(m->err);
    r->state = ROW_WAITING;
    note_flight(s, r, m, refusal >= 0);
    if (refusal >= 0 && is_of_broker(m))
        s->answered_us = s->now_us;
    /* Of an error that is not clear librdkafka says that nothing was written, and a broker may have. */
    s->n_doubtful += rd_kafka_message_status(m) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED ||
                     (refusal >= 0 && refusal_is_unclear(refusal) && is_of_broker(m));
    if (r->alone) {
        r->partition = m->partition;
        s->on_alone_failed(s->on_acked_arg, r, s->purging ? -1 : refusal);
        return;
    }
    bool awaited = s->gapless && is_of_broker(m);
    if (awaited || (!s->broken && !s->purging)) /* of many that fail together, the first */
        log_failed(r, m, refusal);
    if (refusal >= 0)
        suspect(s, r, m, refusal);
    s->refused |= awaited && refusal >= 0;
    s->gapless &= !awaited;
    if (!s->purging)
        mark_broken(s, "record failed", m->err ? rd_kafka_err2name(m->err) : "no offset");
}

static void take_error(ship *s, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        heed_fatal(s);
    } else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        if (!s->down_logged) {
            log_event(LOG_LEVEL_WARN, "kafka.down", "reason=%s", text);
            s->n_outages++;
        }
        s->down_logged = true;
    } else {
        log_event(LOG_LEVEL_DEBUG, "kafka.error", "reason=%s", text);
    }
}

static void note_up(ship *s)
{
    if (s->down_logged)
        log_event(LOG_LEVEL_INFO, "kafka.up", "acked=%llu", (unsigned long long)s->n_acked);
    s->down_logged = false;
}

/* It is waited for: a question that waits in librdkafka 2.0.2 for a broker that is down has it connect without a pause, thousands of times a second. */
int64_t ship_look(ship *s, int64_t now_us)
{
    if (!s->down_logged || !s->producer)
        return CLOCK_NEVER;
    if (now_us < s->look_at_us)
        return s->look_at_us;
    rd_kafka_resp_err_t err = ask_about_topics(s->producer, LOOK_MS);
    s->look_at_us = clock_now_us() + LOOK_EVERY_US;
    if (err >= 0 || err == RD_KAFKA_RESP_ERR__TIMED_OUT)
        note_up(s);
    return s->look_at_us;
}

int64_t ship_ask(ship *s, int64_t now_us)
{
    return s->down_logged ? CLOCK_NEVER : topic_table_ask(&s->topics, s->producer, s->queue, now_us);
}

static void take_reports(ship *s, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *messages[512];
    size_t n;
    bool answered = false;
    while ((n = rd_kafka_event_message_array(event, messages, 512)) > 0)
        for (size_t i = 0; i < n; i++) {
            answered |= is_of_broker(messages[i]);
            report(s, messages[i]);
        }
    if (answered)
        note_up(s);
    failpoint("after_ack");
}

/* batch.size belongs to the producer, so one topic that takes less costs a new producer, once. */
static void fit_batches(ship *s)
{
    int64_t bytes = s->topics.least_max_bytes - BATCH_OVERHEAD_BYTES;
    if (s->topics.least_max_bytes == 0 || bytes >= s->batch_bytes || s->batch_bytes <= BATCH_LEAST_BYTES)
        return;
    s->batch_bytes = bytes < BATCH_LEAST_BYTES ? BATCH_LEAST_BYTES : bytes;
    if (!s->broken)
        snprintf(s->reason, sizeof s->reason, "a topic takes no more than %lld bytes at once",
                 (long long)s->topics.least_max_bytes);
    s->broken = true;
}

static void take_event(ship *s, rd_kafka_event_t *event, int64_t now_us)
{
    s->now_us = now_us;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
        take_reports(s, event);
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
        take_error(s, event);
    else if (!s->purging)
        topic_table_answer(&s->topics, s->producer, s->queue, event, now_us);
    fit_batches(s);
    rd_kafka_event_destroy(event);
}

bool ship_serve(ship *s, int64_t now_us)
{
    s->now_us = now_us;
    if (!s->producer && !s->alone)
        return false;
    uint64_t count;
    if (read(s->event_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_event(LOG_LEVEL_WARN, "eventfd.failed", "reason=%s", strerror(errno));
    bool any = false;
    rd_kafka_event_t *event;
    while ((s->producer && (event = rd_kafka_queue_poll(s->queue, 0))) ||
           (s->alone && (event = rd_kafka_queue_poll(s->alone_queue, 0)))) {
        take_event(s, event, now_us);
        any = true;
    }
    return any;
}

static void add_stalled(topic *t, void *arg)
{
    size_t *n = arg;
    if (t->stalled)
        for (int alone = 0; alone < 2; alone++)
            n[alone] += flights_count(&t->flights, alone);
}

int ship_stalled(ship *s, bool alone)
{
    size_t n[2] = {0};
    topic_table_each(&s->topics, add_stalled, n);
    return (int)n[alone];
}

/* For as long as something is on its way that a broker may still answer. librdkafka's own waits go by the time of day: a clock that is set back makes
 * them last as much longer. */
static void wait_for_reports(ship *s, rd_kafka_t *rk, rd_kafka_queue_t *queue, int wait_ms)
{
    int64_t until = clock_now_us() + (int64_t)wait_ms * 1000;
    do {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 0);
        if (event)
            take_event(s, event, clock_now_us());
        else
            poll(NULL, 0, REPORTS_NAP_MS);
    } while (rd_kafka_outq_len(rk) > ship_stalled(s, rk == s->alone) && clock_now_us() < until);
}

/* Purges, waits, and ends a producer. */
static void end(ship *s, rd_kafka_t *rk, rd_kafka_queue_t *queue, int wait_ms)
{
    rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE);
    wait_for_reports(s, rk, queue, wait_ms);
    while (rd_kafka_outq_len(rk) > 0) {
        rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        wait_for_reports(s, rk, queue, 100);
    }
}

static void destroy(ship *s, rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
    rd_kafka_queue_destroy(queue);
    if (rk != s->producer || !transaction_is_on(&s->transaction)) {
        rd_kafka_destroy(rk);
        return;
    }
    gate_hold(s->gate); /* for the producer, which may outlive us */
    transaction_ending ending = transaction_end(&s->transaction);
    if (ending != TRANSACTION_ENDS_LATER)
        gate_release(s->gate);
    if (ending == TRANSACTION_HAD_NONE)
        rd_kafka_destroy(rk);
}

void ship_purge(ship *s)
{
    if (s->producer)
        rd_kafka_purge(s->producer, RD_KAFKA_PURGE_F_QUEUE);
    if (s->alone)
        rd_kafka_purge(s->alone, RD_KAFKA_PURGE_F_QUEUE);
}

void ship_recall_alone(ship *s)
{
    if (s->alone)
        rd_kafka_purge(s->alone, RD_KAFKA_PURGE_F_QUEUE);
}

void ship_reset_alone(ship *s, int wait_ms)
{
    if (!s->alone)
        return;
    s->purging = true;
    end(s, s->alone, s->alone_queue, wait_ms);
    destroy(s, s->alone, s->alone_queue);
    s->alone = NULL;
    s->alone_queue = NULL;
    s->purging = false;
}

void ship_reset(ship *s, int wait_ms, int64_t now_us)
{
    if (!s->producer)
        return;
    s->purging = true;
    end(s, s->producer, s->queue, s->transactional ? 0 : wait_ms); /* what is not committed is void */
    topic_table_forget(&s->topics);
    destroy(s, s->producer, s->queue);
    topic_table_ended(&s->topics);
    s->producer = NULL;
    s->queue = NULL;
    s->purging = false;
    s->restart_at_us = now_us;
    if (s->broken) {
        s->n_resets++;
    }
    if (s->broken && !s->refused) { /* who refuses a record is well: no pause */
        s->restart_at_us = clock_now_us() + s->backoff_us;
        s->backoff_us = s->backoff_us * 2 > BACKOFF_MOST_US ? BACKOFF_MOST_US : s->backoff_us * 2;
    }
}

void ship_give_up(ship *s, const char *why)
{
    if (s->broken)
        return;
    s->broken = s->refused = true;
    snprintf(s->reason, sizeof s->reason, "%s", why);
}

int ship_in_flight(const ship *s)
{
    return (s->producer ? rd_kafka_outq_len(s->producer) : 0) + (s->alone ? rd_kafka_outq_len(s->alone) : 0);
}

void ship_done(ship *s)
{
    ship_reset_alone(s, 0);
    ship_reset(s, 0, 0);
    topic_table_free(&s->topics);
    record_maker_done(&s->maker);
    bindings_done(&s->bindings);
    if (s->gate) {
        s->gate->database = NULL;
        gate_release(s->gate);
    }
    s->gate = NULL;
    if (s->event_fd >= 0)
        close(s->event_fd);
}
