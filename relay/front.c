/* Answers for all relays of the process and passes on the signals to stop; must never wait for a relay, and never call one ready that could
 * not publish an event now. */
#include "front.h"

#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define LOOK_EVERY_US 1000000 /* where systemd listens; what matters wakes us at once */
#define GRACE_US 10000000
#define EXIT_UNSETTLED 3

static void answer(void *arg, const char *path, http_answer *out);

static bool open_http(front *f, char *reason, size_t reason_size)
{
    char where[80];
    const char *listen = f->cfgs[0].http_listen;
    if (!listen || !listen[0])
        return true;
    f->http = http_open(listen, answer, f, where, sizeof where);
    if (!f->http) {
        snprintf(reason, reason_size, "http_listen %s: %s", listen, strerror(errno));
        return false;
    }
    log_event(LOG_LEVEL_INFO, "http.listening", "address=%s", where);
    return true;
}

bool front_init(front *f, const config *cfgs, intercom *coms, size_t n, int stop_fd, char *reason,
                size_t reason_size)
{
    *f = (front){.cfgs = cfgs,
                 .coms = coms,
                 .seen = calloc(n, sizeof *f->seen),
                 .n = n,
                 .stop_fd = stop_fd,
                 .wake_fd = -1,
                 .grace_us = GRACE_US,
                 .quit_at_us = CLOCK_NEVER,
                 .started_at_s = (double)clock_wall_ms() / 1000};
    notify_init(&f->notify);
    bool ok = f->seen != NULL && (f->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0;
    for (size_t i = 0; i < n; i++)
        ok = intercom_init(&coms[i], f->wake_fd) && ok;
    if (!ok) {
        snprintf(reason, reason_size, "%s", strerror(errno));
        return false;
    }
    if (!open_http(f, reason, reason_size))
        return false;
    for (size_t i = 0; f->http && i < n; i++) /* so that the first scrape finds an answer */
        atomic_store(&coms[i].backlog_wanted, true);
    return true;
}

void front_done(front *f)
{
    http_free(f->http);
    notify_done(&f->notify);
    for (size_t i = 0; i < f->n; i++)
        intercom_done(&f->coms[i]);
    if (f->wake_fd >= 0)
        close(f->wake_fd);
    free(f->seen);
}

/* ---- what is asked ---- */

static bool one_of_several(const front *f)
{
    return f->n > 1;
}

static void look_at(front *f, size_t i)
{
    intercom_read(&f->coms[i], &f->seen[i]);
}

/* The metrics of one database as they are to be told now. */
static metrics metrics_of(const front *f, size_t i, int64_t now_us)
{
    const showing *s = &f->seen[i];
    char reason[400];
    metrics m = s->metrics;
    m.ready = showing_is_ready(s, now_us, reason, sizeof reason);
    m.stalled_s = (double)health_stalled_us(&s->health, now_us) / 1e6;
    m.parked = now_us < s->known_until_us ? &s->parked : NULL;
    m.backlog_events = m.parked ? m.parked->n_events : NAN;
    m.backlog_oldest_age_s = m.parked ? m.parked->oldest_age_s : NAN;
    m.leaves = m.parked ? m.parked->leaves : NAN;
    m.outbox_bytes = m.parked ? m.parked->outbox_bytes : NAN;
    m.receipts_bytes = m.parked ? m.parked->receipts_bytes : NAN;
    m.backlog_known_age_s = s->known_at_us ? (double)(now_us - s->known_at_us) / 1e6 : NAN;
    m.started_at_s = f->started_at_s;
    return m;
}

static void answer_metrics(front *f, http_answer *out, int64_t now_us)
{
    metrics *each = calloc(f->n, sizeof *each);
    FILE *to = each ? open_memstream(&out->body, &out->size) : NULL;
    for (size_t i = 0; to && i < f->n; i++) {
        look_at(f, i);
        each[i] = metrics_of(f, i, now_us);
        atomic_store(&f->coms[i].backlog_wanted, true);
        intercom_wake_relay(&f->coms[i]);
    }
    if (to) {
        metrics_read_process(&each[0]);
        metrics_write(each, f->n, to);
        fclose(to);
    }
    free(each);
    out->status = MHD_HTTP_OK;
    out->type = METRICS_TYPE;
}

/* Adds the line of one database. */
static bool put_judgement(front *f, size_t i, bool about_ready, int64_t now_us, FILE *to)
{
    char reason[400];
    look_at(f, i);
    const showing *s = &f->seen[i];
    bool well = about_ready ? showing_is_ready(s, now_us, reason, sizeof reason)
                            : showing_is_alive(s, one_of_several(f), now_us, reason, sizeof reason);
    if (f->cfgs[i].name)
        fprintf(to, "%s: ", f->cfgs[i].name);
    fprintf(to, "%s\n", reason);
    return well;
}

/* Of the database called name, or of all: they are ready where one of them is, so that one that is not takes nothing from the others; they
 * are alive where each is. */
static bool judge(front *f, const char *name, bool about_ready, int64_t now_us, FILE *to, size_t *n_judged)
{
    size_t n_well = 0;
    *n_judged = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (name && (!f->cfgs[i].name || strcmp(f->cfgs[i].name, name) != 0))
            continue;
        n_well += put_judgement(f, i, about_ready, now_us, to);
        ++*n_judged;
    }
    return about_ready ? n_well > 0 : n_well == *n_judged;
}

static void answer_judgement(front *f, const char *name, bool about_ready, http_answer *out)
{
    FILE *to = open_memstream(&out->body, &out->size);
    size_t n_judged;
    if (!to)
        return;
    bool well = judge(f, name, about_ready, clock_now_us(), to, &n_judged);
    if (n_judged == 0)
        fprintf(to, "no database is called %s here\n", name);
    fclose(to);
    out->status = n_judged == 0 ? MHD_HTTP_NOT_FOUND : well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    out->type = "text/plain; charset=utf-8";
}

/* Behind "/readyz": "" or "/NAME". */
static bool follows(const char *path, const char *prefix, const char **out_name)
{
    size_t length = strlen(prefix);
    if (strncmp(path, prefix, length) != 0 || (path[length] != '\0' && path[length] != '/'))
        return false;
    *out_name = path[length] ? path + length + 1 : NULL;
    return true;
}

static void answer(void *arg, const char *path, http_answer *out)
{
    static const char lost[] = "there are /metrics, /healthz and /readyz\n";
    front *f = arg;
    const char *name;
    if (strcmp(path, "/metrics") == 0) {
        answer_metrics(f, out, clock_now_us());
    } else if (follows(path, "/healthz", &name)) {
        answer_judgement(f, name, false, out);
    } else if (follows(path, "/readyz", &name)) {
        answer_judgement(f, name, true, out);
    } else {
        *out = (http_answer){.status = MHD_HTTP_NOT_FOUND,
                             .type = "text/plain; charset=utf-8",
                             .body = strdup(lost),
                             .size = sizeof lost - 1};
    }
}

/* ---- systemd ---- */

static void say_status(front *f, size_t n_ready, const char *first_reason)
{
    char text[600];
    if (!one_of_several(f))
        snprintf(text, sizeof text, "%s", first_reason);
    else
        snprintf(text, sizeof text, "%zu of %zu databases ready%s%s", n_ready, f->n,
                 n_ready < f->n ? "; " : "", n_ready < f->n ? first_reason : "");
    notify_status(&f->notify, text);
}

/* Start-up is over once one relay leads or stands by: a database that is away must not have systemd end the others. The watchdog starves where
 * a thread does not come back from a call, which only a new process mends. */
static void tell_systemd(front *f, int64_t now_us)
{
    char reason[400], line[500] = "";
    size_t n_ready = 0, n_alive = 0, n_present = 0;
    for (size_t i = 0; i < f->n; i++) {
        look_at(f, i);
        const showing *s = &f->seen[i];
        n_present += s->health.facts.role != HEALTH_AWAY;
        n_alive += showing_is_alive(s, one_of_several(f), now_us, reason, sizeof reason);
        bool ready = showing_is_ready(s, now_us, reason, sizeof reason);
        n_ready += ready;
        if (line[0] == '\0' && (!ready || !one_of_several(f)))
            snprintf(line, sizeof line, "%s%s%s", one_of_several(f) ? f->cfgs[i].name : "",
                     one_of_several(f) ? ": " : "", reason);
    }
    if (n_present > 0)
        notify_ready(&f->notify);
    if (n_alive == f->n)
        notify_feed(&f->notify, now_us);
    say_status(f, n_ready, line);
}

/* ---- stopping ---- */

static void wake_all(front *f)
{
    for (size_t i = 0; i < f->n; i++)
        intercom_wake_relay(&f->coms[i]);
}

static int64_t longest_shutdown_us(const front *f)
{
    int64_t longest_ms = 0;
    for (size_t i = 0; i < f->n; i++)
        if (f->cfgs[i].shutdown_timeout_ms > longest_ms)
            longest_ms = f->cfgs[i].shutdown_timeout_ms;
    return longest_ms * 1000;
}

static void take_stop(front *f, int64_t now_us)
{
    char byte[128]; /* a signalfd gives a struct of that size */
    if (read(f->stop_fd, byte, sizeof byte) < 0)
        return;
    f->n_stops++;
    if (f->n_stops == 1)
        notify_stopping(&f->notify);
    f->quit_at_us = now_us + f->grace_us + (f->n_stops == 1 ? longest_shutdown_us(f) : 0);
    for (size_t i = 0; i < f->n; i++)
        atomic_store(&f->coms[i].n_stops, f->n_stops);
    wake_all(f);
}

/* How many have ended; where none is left that can be served, all are told to. */
static size_t count_ended(front *f)
{
    size_t n_ended = 0, n_refused = 0;
    for (size_t i = 0; i < f->n; i++) {
        bool ended, refused;
        intercom_peek(&f->coms[i], &ended, &refused);
        n_ended += ended;
        n_refused += refused;
    }
    if (n_refused == f->n && n_ended == 0) {
        for (size_t i = 0; i < f->n; i++)
            atomic_store(&f->coms[i].give_up, true);
        wake_all(f);
    }
    return n_ended;
}

/* A thread that waits within a library cannot be ended, and without it nothing can be cleaned up. */
static void quit_without_them(front *f)
{
    for (size_t i = 0; i < f->n; i++) {
        bool ended, refused;
        intercom_peek(&f->coms[i], &ended, &refused);
        log_database(f->cfgs[i].name);
        if (!ended)
            log_event(LOG_LEVEL_ERROR, "relay.quits", "reason=%s",
                      "it does not come back from a call, long after it was told to stop");
    }
    _exit(EXIT_UNSETTLED);
}

/* ---- the loop ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t until_us(const front *f, int64_t now_us)
{
    int64_t until_us = f->quit_at_us;
    if (f->http)
        until_us = earlier(until_us, http_until_us(f->http, now_us));
    if (f->notify.fd >= 0)
        until_us = earlier(until_us, now_us + LOOK_EVERY_US);
    if (f->notify.feed_every_us > 0)
        until_us = earlier(until_us, now_us + f->notify.feed_every_us / 2);
    return until_us;
}

static void take_wake(front *f)
{
    uint64_t count;
    ssize_t n = read(f->wake_fd, &count, sizeof count);
    (void)n;
}

static void turn(front *f)
{
    int64_t now_us = clock_now_us(), wait_us = until_us(f, now_us) - now_us;
    struct pollfd fds[] = {
        {.fd = f->stop_fd, .events = POLLIN},
        {.fd = f->wake_fd, .events = POLLIN},
        {.fd = f->http ? http_fd(f->http, now_us) : -1, .events = POLLIN},
    };
    if (wait_us < 0)
        wait_us = 0;
    int wait_ms = wait_us > INT64_C(60000000) ? 60000 : (int)((wait_us + 999) / 1000);
    int n = poll(fds, sizeof fds / sizeof fds[0], wait_ms);
    now_us = clock_now_us();
    if (n > 0 && fds[0].revents)
        take_stop(f, now_us);
    if (n > 0 && fds[1].revents)
        take_wake(f);
    if (f->http && ((n > 0 && fds[2].revents) || http_until_us(f->http, now_us) <= now_us))
        http_serve(f->http);
    if (f->notify.fd >= 0)
        tell_systemd(f, now_us);
}

static void *loop(void *arg)
{
    front *f = arg;
    while (count_ended(f) < f->n) {
        turn(f);
        if (clock_now_us() >= f->quit_at_us)
            quit_without_them(f);
    }
    return NULL;
}

int front_start(front *f)
{
    return pthread_create(&f->thread, NULL, loop, f);
}

int front_join(front *f)
{
    int code = 0;
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < f->n; i++) {
        look_at(f, i);
        if (f->seen[i].exit_code > code)
            code = f->seen[i].exit_code;
    }
    return code;
}
