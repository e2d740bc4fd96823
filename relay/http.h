/* A small HTTP server inside the relay's loop: answers GET and HEAD from its handler, refuses everything else, never takes much. */
#ifndef POSTBUS_RELAY_HTTP_H
#define POSTBUS_RELAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct http http;

typedef struct http_answer {
    unsigned status;
    const char *type; /* Content-Type */
    char *body;       /* from malloc; http frees it. NULL: there was no memory */
    size_t size;
} http_answer;

/* Fills *out for a path. Called on the thread that calls http_serve. */
typedef void http_handler(void *arg, const char *path, http_answer *out);

/* Serves a listening socket, and closes it in the end. NULL: not possible; the socket is closed. */
http *http_new(int listen_fd, http_handler *handler, void *arg);
void http_free(http *h);

/* Opens the address as well (listen.h); where: as "127.0.0.1:9464". NULL with errno. */
http *http_open(const char *listen, http_handler *handler, void *arg, char *where, size_t where_size);

/* The descriptor that tells of requests, or -1 while they are to wait, so that they take no more than a tenth of the loop's time. */
int http_fd(const http *h, int64_t now_us);
/* When to serve, or to look at the descriptor again, all the same. */
int64_t http_until_us(const http *h, int64_t now_us);
/* Takes what has come and sends what can be sent, without waiting. */
void http_serve(http *h);

#endif
