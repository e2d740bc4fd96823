/* Wraps libmicrohttpd, driven from the relay's poll; must never wait for a client, nor let clients keep the loop from its work. */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "listen.h"

#define MOST_CONNECTIONS 32U
#define CONNECTION_BYTES                                                                                     \
    ((size_t)16384) /* a request with more in its line and headers is refused: 414, 431 */
#define IDLE_S 10U  /* then a connection is closed */
#define SHARE 10    /* after serving, the loop has ten times as long for its own work */

struct http {
    struct MHD_Daemon *daemon;
    int epoll_fd;
    int64_t rest_until_us;
    http_handler *handler;
    void *arg;
};

static enum MHD_Result send_body(struct MHD_Connection *connection, const http_answer *a,
                                 enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(a->size, a->body, mode);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", a->type);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, a->status, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result refuse_method(struct MHD_Connection *connection)
{
    static char sentence[] = "only GET and HEAD are answered here\n";
    http_answer a = {.status = MHD_HTTP_METHOD_NOT_ALLOWED,
                     .type = "text/plain; charset=utf-8",
                     .body = sentence,
                     .size = sizeof sentence - 1};
    return send_body(connection, &a, MHD_RESPMEM_PERSISTENT);
}

/* MHD_NO closes the connection. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    http *h = cls;
    (void)version, (void)upload, (void)upload_size, (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse_method(connection);
    http_answer a = {0};
    h->handler(h->arg, url, &a);
    return a.body ? send_body(connection, &a, MHD_RESPMEM_MUST_FREE) : MHD_NO;
}

http *http_new(int listen_fd, http_handler *handler, void *arg)
{
    http *h = calloc(1, sizeof *h);
    if (!h) {
        close(listen_fd);
        return NULL;
    }
    *h = (http){.handler = handler, .arg = arg};
    h->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, listen_fd,
                         MHD_OPTION_CONNECTION_LIMIT, MOST_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        if (!h->daemon)
            close(listen_fd);
        http_free(h);
        return NULL;
    }
    h->epoll_fd = info->epoll_fd;
    return h;
}

http *http_open(const char *listen, http_handler *handler, void *arg, char *where, size_t where_size)
{
    listen_address address;
    errno = EINVAL;
    int fd = listen_parse(listen, &address) ? listen_open(&address) : -1;
    if (fd < 0)
        return NULL;
    listen_text(fd, where, where_size);
    return http_new(fd, handler, arg);
}

void http_free(http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    free(h);
}

int http_fd(const http *h, int64_t now_us)
{
    return now_us < h->rest_until_us ? -1 : h->epoll_fd;
}

int64_t http_until_us(const http *h, int64_t now_us)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (now_us < h->rest_until_us)
        return h->rest_until_us;
    return MHD_get_timeout(h->daemon, &ms) == MHD_YES ? now_us + (int64_t)ms * 1000 : CLOCK_NEVER;
}

void http_serve(http *h)
{
    int64_t begin_us = clock_now_us();
    MHD_run(h->daemon);
    int64_t end_us = clock_now_us();
    h->rest_until_us = end_us + (end_us - begin_us) * SHARE;
}
