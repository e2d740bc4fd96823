/* Produces dead letters and waits for each; must never call one sent that no broker has acknowledged. */
#include "outlet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "kafka.h"

enum { POLL_MS = 100 };

struct outlet {
    rd_kafka_t *rk;
    pthread_mutex_t lock; /* one dead letter at a time */
    bool reported;
    rd_kafka_resp_err_t code;
};

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *record, void *opaque)
{
    outlet *o = opaque;
    (void)rk;
    o->reported = true;
    o->code = record->err;
}

outlet *outlet_new(const feed *f, char *message, size_t message_size)
{
    outlet *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    pthread_mutex_init(&o->lock, NULL);
    o->rk = kafka_new_producer(f, on_report, o, message, message_size);
    if (o->rk)
        return o;
    outlet_free(o);
    return NULL;
}

void outlet_free(outlet *o)
{
    if (!o)
        return;
    if (o->rk)
        rd_kafka_destroy(o->rk);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static void add_text(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    rd_kafka_header_add(headers, name, -1, value, (ssize_t)strlen(value));
}

static void add_number(rd_kafka_headers_t *headers, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    add_text(headers, name, text);
}

static void add_time(rd_kafka_headers_t *headers, const char *name, int64_t at_ms)
{
    char date[40], text[60];
    struct tm when;
    time_t at_s = (time_t)(at_ms / 1000);
    gmtime_r(&at_s, &when);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &when);
    snprintf(text, sizeof text, "%s.%03dZ", date, (int)(at_ms % 1000));
    add_text(headers, name, text);
}

/* An id of its own, of version 4: it may die again. */
static void add_id(rd_kafka_headers_t *headers, const char *name)
{
    pbus_uuid id;
    char text[PBUS_UUID_TEXT_SIZE];
    if (!*name || getrandom(id.bytes, sizeof id.bytes, 0) != sizeof id.bytes)
        return;
    id.bytes[6] = (unsigned char)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (unsigned char)((id.bytes[8] & 0x3f) | 0x80);
    pbus_uuid_format(&id, text);
    add_text(headers, name, text);
}

static bool is_ours(const char *name, const event_headers *names)
{
    return strcmp(name, names->id) == 0 || strncmp(name, "original-", 9) == 0 ||
           strncmp(name, "dead-", 5) == 0;
}

static void add_own(rd_kafka_headers_t *headers, const event *e, const event_headers *names)
{
    for (size_t i = 0; i < e->view.n_headers; i++) {
        const pbus_record_header *h = &e->view.headers[i];
        if (!is_ours(h->name, names))
            rd_kafka_header_add(headers, h->name, -1, h->value, (ssize_t)h->value_size);
    }
}

static rd_kafka_headers_t *headers_of(const feed *f, const event *e, const char *reason, const char *error)
{
    char id[PBUS_UUID_TEXT_SIZE];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(e->view.n_headers + 16);
    int64_t now_ms = feed_wall_ms();
    add_id(headers, f->cfg->headers.id);
    add_own(headers, e, &f->cfg->headers);
    add_text(headers, "original-topic", e->view.topic);
    add_number(headers, "original-partition", e->view.partition);
    add_number(headers, "original-offset", e->view.offset);
    add_number(headers, "original-timestamp-ms", e->view.timestamp_ms);
    if (e->view.event_id) {
        pbus_uuid_format(e->view.event_id, id);
        add_text(headers, "original-id", id);
    }
    add_text(headers, "dead-application", f->cfg->application);
    add_text(headers, "dead-subscription", f->sub->key);
    add_text(headers, "dead-reason", reason);
    add_number(headers, "dead-attempts", e->view.attempt);
    add_text(headers, "dead-error", error);
    add_time(headers, "dead-first-at", e->failed_at_ms ? e->failed_at_ms : now_ms);
    add_time(headers, "dead-at", now_ms);
    return headers;
}

static rd_kafka_resp_err_t produce(outlet *o, const feed *f, const event *e, const char *reason,
                                   const char *error)
{
    rd_kafka_headers_t *headers = headers_of(f, e, reason, error);
    const rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = f->sub->dead_letter_topic},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(intptr_t)e->view.key, e->view.key_size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(intptr_t)e->view.value, e->view.value_size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *refused = rd_kafka_produceva(o->rk, record, sizeof record / sizeof record[0]);
    rd_kafka_resp_err_t code = refused ? rd_kafka_error_code(refused) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (refused) {
        rd_kafka_headers_destroy(headers);
        rd_kafka_error_destroy(refused);
    }
    return code;
}

/* Its report always comes: librdkafka gives up after message.timeout.ms. */
static rd_kafka_resp_err_t send_once(outlet *o, const feed *f, const event *e, const char *reason,
                                     const char *error)
{
    o->reported = false;
    rd_kafka_resp_err_t code = produce(o, f, e, reason, error);
    while (code == RD_KAFKA_RESP_ERR_NO_ERROR && !o->reported)
        rd_kafka_poll(o->rk, POLL_MS);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? o->code : code;
}

/* A topic that takes nothing is tried as long as the event is this worker's. Others wait for that, so once it is known each of them asks first: else all
 * would keep the group, or a stop, waiting one after another. */
static rd_kafka_resp_err_t send_while_wanted(outlet *o, feed *f, const event *e, const char *reason,
                                             const char *error)
{
    rd_kafka_resp_err_t code = o->code;
    while (code != RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || feed_wants(f, e)) {
        code = send_once(o, f, e, reason, error);
        if (code != RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
            break;
        feed_tell(f, PBUS_NOTICE_KAFKA, e, code, "no broker has taken a dead letter for %s; it is sent again",
                  f->sub->dead_letter_topic);
    }
    return code;
}

outlet_end outlet_send(outlet *o, feed *f, const event *e, const char *reason, const char *error,
                       const char **out_why)
{
    pthread_mutex_lock(&o->lock);
    rd_kafka_resp_err_t code = send_while_wanted(o, f, e, reason, error);
    pthread_mutex_unlock(&o->lock);
    *out_why = rd_kafka_err2str(code);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR         ? OUTLET_SENT
           : code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ? OUTLET_STOPPED
                                                      : OUTLET_REFUSED;
}
