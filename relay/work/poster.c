/* Has an event handled by an HTTP server; must never follow it elsewhere, trust a certificate unseen, or tell a URL or a secret. */
#include "poster.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "cloud_event.h"
#include "event_text.h"
#include "outcome.h"
#include "web.h"

enum {
    CONNECT_LIMIT_MS = 10000,
    MOST_BODY = 65536,        /* of an answer; then the connection is closed rather than read on */
    MOST_HEADERS = 900000,    /* libcurl holds them with URL and a short body: 1 MiB, or it lacks memory */
    CONNECTION_LIFE_S = 300,  /* so that a change in the DNS is seen under steady load */
    LONGEST_POLL_MS = 3600000 /* timeouts of libcurl's own are sooner */
};

/* A thread's connection, and the answer that it gets. */
typedef struct seat {
    CURLM *multi;
    CURL *easy;
    char fault[CURL_ERROR_SIZE];
    answer answer;
    size_t n_read; /* of its body */
} seat;

static void seat_leave(void *arg)
{
    seat *s = arg;
    curl_easy_cleanup(s->easy);
    curl_multi_cleanup(s->multi);
    free(s);
}

bool poster_init(poster *p)
{
    errno = ENOMEM;
    if (!web_start())
        return false;
    int error = pthread_key_create(&p->seat, seat_leave);
    p->has_seat = error == 0;
    errno = error;
    return p->has_seat;
}

void poster_done(poster *p)
{
    if (p->has_seat)
        pthread_key_delete(p->seat);
    p->has_seat = false;
}

bool poster_takes_url(const char *url)
{
    web_url what = web_url_judge(url);
    return what == WEB_URL_ENDPOINT || what == WEB_URL_QUERY;
}

/* ---- a thread's connection ---- */

static size_t on_body(char *bytes, size_t one, size_t size, void *arg)
{
    seat *s = arg;
    answer *a = &s->answer;
    (void)one;
    size_t room = sizeof a->body - a->n_body, kept = size < room ? size : room;
    memcpy(a->body + a->n_body, bytes, kept);
    a->n_body += kept;
    s->n_read += size;
    return s->n_read > MOST_BODY ? 0 : size;
}

static bool set_up(const poster *p, seat *s)
{
    CURL *c = s->easy;
    bool ok = web_set_up(c, p->ca_file) && curl_easy_setopt(c, CURLOPT_URL, p->url) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_USERAGENT, "postbus/" POSTBUS_VERSION) == CURLE_OK;
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, p->time_limit_ms < 0 ? 0L : (long)p->time_limit_ms);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->fault);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    return ok;
}

/* The thread's; NULL: no memory. */
static seat *take_seat(poster *p)
{
    seat *s = pthread_getspecific(p->seat);
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->multi = curl_multi_init();
    s->easy = curl_easy_init();
    if (s->multi && s->easy && set_up(p, s) && pthread_setspecific(p->seat, s) == 0)
        return s;
    seat_leave(s);
    return NULL;
}

/* ---- a request ---- */

/* What a record without an id is called; Standard Webhooks has no full stop in an id, as it stands between the parts that are signed. */
static void webhook_id(const pbus_delivery *event, char out[EVENT_IDENTITY_SIZE * 3])
{
    char identity[EVENT_IDENTITY_SIZE], *to = out;
    event_identity(event, identity);
    for (const char *from = identity; *from; from++) {
        if (*from == '.')
            to = stpcpy(to, "%2E");
        else
            *to++ = *from;
    }
    *to = '\0';
}

static bool add_signature(const poster *p, const pbus_delivery *event, cloud_event *c, int64_t now_s)
{
    char id[EVENT_IDENTITY_SIZE * 3], time[24], signature[SIGNER_TEXT_SIZE];
    if (p->secrets->n_secrets == 0)
        return true;
    webhook_id(event, id);
    snprintf(time, sizeof time, "%" PRId64, now_s);
    return signer_sign(p->secrets, id, now_s, c->body, c->body_size, signature) &&
           cloud_event_header(&c->headers, "webhook-id", id) &&
           cloud_event_header(&c->headers, "webhook-timestamp", time) &&
           cloud_event_header(&c->headers, "webhook-signature", signature);
}

static bool make_request(const poster *p, const pbus_delivery *event, cloud_event *out)
{
    int64_t now_ms = clock_wall_ms();
    int64_t deadline_ms = p->time_limit_ms < 0 ? 0 : now_ms + p->time_limit_ms;
    if (!cloud_event_make(out, event, p->structured, p->source, deadline_ms))
        return false;
    /* "Expect: 100-continue" would cost large events a second where the server does not know it. */
    struct curl_slist *grown = curl_slist_append(out->headers, "Expect:");
    if (grown)
        out->headers = grown;
    if (grown && add_signature(p, event, out, now_ms / 1000))
        return true;
    cloud_event_done(out);
    return false;
}

/* It never will be smaller. */
static bool is_too_large(const cloud_event *c)
{
    size_t size = 0;
    for (const struct curl_slist *line = c->headers; line; line = line->next)
        size += strlen(line->data) + 2;
    return size > MOST_HEADERS;
}

typedef enum end { END_ANSWERED, END_FAILED, END_STOPPED } end;

/* A body that is too long was cut short by us, behind a status that has come. */
static end how_it_ended(const seat *s)
{
    int n;
    const CURLMsg *message = curl_multi_info_read(s->multi, &n);
    if (!message || message->msg != CURLMSG_DONE)
        return END_FAILED;
    CURLcode code = message->data.result;
    return code == CURLE_OK || (code == CURLE_WRITE_ERROR && s->n_read > MOST_BODY) ? END_ANSWERED
                                                                                    : END_FAILED;
}

static end exchange(const poster *p, seat *s)
{
    int running = 1;
    s->fault[0] = '\0';
    s->n_read = s->answer.n_body = 0;
    if (curl_multi_add_handle(s->multi, s->easy) != CURLM_OK)
        return END_FAILED;
    end outcome = END_FAILED;
    while (curl_multi_perform(s->multi, &running) == CURLM_OK) {
        struct curl_waitfd stop = {.fd = p->stop_fd, .events = CURL_WAIT_POLLIN};
        if (running == 0) {
            outcome = how_it_ended(s);
            break;
        }
        if (curl_multi_poll(s->multi, &stop, 1, LONGEST_POLL_MS, NULL) != CURLM_OK)
            break;
        if (stop.revents) {
            outcome = END_STOPPED;
            break;
        }
    }
    curl_multi_remove_handle(s->multi, s->easy); /* closes the connection where the answer is not whole */
    return outcome;
}

static pbus_outcome judge(seat *s)
{
    struct curl_header *retry_after = NULL;
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_header(s->easy, "Retry-After", 0, CURLH_HEADER, -1, &retry_after);
    s->answer.status = (int)status;
    s->answer.retry_after = retry_after ? retry_after->value : NULL;
    return answer_outcome(&s->answer, clock_wall_ms() / 1000);
}

static pbus_outcome send_event(const poster *p, seat *s, const cloud_event *c)
{
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, c->body);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_size);
    end how = exchange(p, s);
    pbus_outcome outcome = how == END_ANSWERED  ? judge(s)
                           : how == END_STOPPED ? outcome_retry(OUTCOME_STOPPED, NULL, 0)
                                                : outcome_retry("no answer", s->fault, strlen(s->fault));
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, NULL);
    return outcome;
}

pbus_outcome poster_post(const pbus_delivery *event, PGconn *tx, void *arg)
{
    poster *p = arg;
    cloud_event c;
    char why[100];
    (void)tx;
    seat *s = take_seat(p);
    if (!s || !make_request(p, event, &c))
        return pbus_retry("the request cannot be made: out of memory", -1);
    snprintf(why, sizeof why, "key and headers make more than %d bytes of headers", MOST_HEADERS);
    pbus_outcome outcome = is_too_large(&c) ? pbus_dead(why) : send_event(p, s, &c);
    cloud_event_done(&c);
    return outcome;
}
