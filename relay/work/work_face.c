/* Answers for the worker over HTTP; must never call one ready that does not read, nor wait for a database or a broker. */
#include "work_face.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"
#include "log.h"
#include "metrics.h"

enum { REASONS_SIZE = 16384 };

struct work_face {
    http *http;
    pthread_t thread;
    bool started;
    int end_fd;
    double started_at_s;
    pthread_mutex_t lock; /* of the worker, while it is asked */
    pbus_worker *worker;
};

/* ---- answers ---- */

static void answer_metrics(work_face *f, http_answer *out)
{
    metrics process = {.started_at_s = f->started_at_s};
    pbus_error ignored; /* without memory there is no answer, and it is tried again */
    FILE *to = open_memstream(&out->body, &out->size);
    if (!to)
        return;
    bool ok = !f->worker || pbus_worker_write_metrics(f->worker, to, &ignored) == PBUS_OK;
    metrics_read_process(&process);
    metrics_write_process(&process, to);
    fputs("# EOF\n", to);
    ok = !ferror(to) && ok;
    if (fclose(to) != 0 || !ok) {
        free(out->body);
        out->body = NULL;
    }
    out->status = MHD_HTTP_OK;
    out->type = METRICS_TYPE;
}

typedef bool judgement(pbus_worker *worker, char *out_reason, size_t reason_size);

/* Without a worker: it starts, or has ended. */
static void answer_judgement(work_face *f, judgement *by, bool without, http_answer *out)
{
    char *reasons = malloc(REASONS_SIZE);
    if (!reasons)
        return;
    bool well = without;
    if (f->worker)
        well = by(f->worker, reasons, REASONS_SIZE - 1);
    else
        snprintf(reasons, REASONS_SIZE - 1, "%s", without ? "alive" : "no worker runs yet, or any more");
    strcat(reasons, "\n");
    *out = (http_answer){.status = well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                         .type = "text/plain; charset=utf-8",
                         .body = reasons,
                         .size = strlen(reasons)};
}

static void answer(void *arg, const char *path, http_answer *out)
{
    static const char lost[] = "there are /metrics, /healthz and /readyz\n";
    work_face *f = arg;
    pthread_mutex_lock(&f->lock);
    if (strcmp(path, "/metrics") == 0)
        answer_metrics(f, out);
    else if (strcmp(path, "/healthz") == 0)
        answer_judgement(f, pbus_worker_is_alive, true, out);
    else if (strcmp(path, "/readyz") == 0)
        answer_judgement(f, pbus_worker_is_ready, false, out);
    else
        *out = (http_answer){.status = MHD_HTTP_NOT_FOUND,
                             .type = "text/plain; charset=utf-8",
                             .body = strdup(lost),
                             .size = sizeof lost - 1};
    pthread_mutex_unlock(&f->lock);
}

/* ---- the loop ---- */

static int wait_ms(const work_face *f, int64_t now_us)
{
    int64_t until_us = http_until_us(f->http, now_us);
    if (until_us <= now_us)
        return 0;
    int64_t ms = (until_us - now_us + 999) / 1000;
    return ms > 60000 ? 60000 : (int)ms;
}

static void *loop(void *arg)
{
    work_face *f = arg;
    for (;;) {
        int64_t now_us = clock_now_us();
        struct pollfd fds[] = {{.fd = f->end_fd, .events = POLLIN},
                               {.fd = http_fd(f->http, now_us), .events = POLLIN}};
        int n = poll(fds, 2, wait_ms(f, now_us));
        if (n > 0 && fds[0].revents)
            return NULL;
        if ((n > 0 && fds[1].revents) || http_until_us(f->http, clock_now_us()) <= clock_now_us())
            http_serve(f->http);
    }
}

work_face *work_face_new(const char *listen, char *reason, size_t reason_size)
{
    char where[80];
    work_face *f = calloc(1, sizeof *f);
    if (!f) {
        snprintf(reason, reason_size, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&f->lock, NULL);
    f->started_at_s = (double)clock_wall_ms() / 1000;
    f->end_fd = eventfd(0, EFD_CLOEXEC);
    f->http = http_open(listen, answer, f, where, sizeof where);
    int error = errno;
    if (f->http && f->end_fd >= 0) {
        error = pthread_create(&f->thread, NULL, loop, f);
        f->started = error == 0;
    }
    if (!f->started) {
        snprintf(reason, reason_size, "http_listen %s: %s", listen, strerror(error));
        work_face_free(f);
        return NULL;
    }
    log_event(LOG_LEVEL_INFO, "http.listening", "address=%s", where);
    return f;
}

void work_face_show(work_face *face, pbus_worker *worker)
{
    pbus_error ignored;
    if (!face)
        return;
    pthread_mutex_lock(&face->lock);
    face->worker = worker;
    pthread_mutex_unlock(&face->lock);
    /* Asked once, what comes from the database and the brokers is known when the first scraper comes. */
    FILE *nowhere = worker ? fopen("/dev/null", "we") : NULL;
    if (nowhere && pbus_worker_write_metrics(worker, nowhere, &ignored) == PBUS_OK)
        fflush(nowhere);
    if (nowhere)
        fclose(nowhere);
}

void work_face_free(work_face *face)
{
    if (!face)
        return;
    if (face->started) {
        eventfd_write(face->end_fd, 1);
        pthread_join(face->thread, NULL);
    }
    http_free(face->http);
    if (face->end_fd >= 0)
        close(face->end_fd);
    pthread_mutex_destroy(&face->lock);
    free(face);
}
