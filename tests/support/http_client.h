/* Requests over HTTP as bytes, so that wrong ones can be sent too. Fails the running cmocka test where no connection can be made. */
#ifndef POSTBUS_TEST_HTTP_CLIENT_H
#define POSTBUS_TEST_HTTP_CLIENT_H

#include <stddef.h>

/* A connection to 127.0.0.1. */
int http_connect(int port);

/* Sends bytes, as many as the other side takes. */
void http_send(int fd, const char *bytes, size_t size);

/* All that comes until the other side closes, as a string for the caller to free; closes. */
char *http_receive(int fd);

/* GET of a path: head and body as they came, for the caller to free. */
char *http_get(int port, const char *path);

/* Its status, and what follows the empty line. */
int http_status(const char *answer);
const char *http_body(const char *answer);

#endif
