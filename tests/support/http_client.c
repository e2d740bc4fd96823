/* A client that knows no more of HTTP than a test has to; must never wait without end. */
#include "http_client.h"

#include "cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { DEADLINE_S = 30 };

int http_connect(int port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((in_port_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval deadline = {.tv_sec = DEADLINE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        fail_msg("nobody listens at 127.0.0.1:%d", port);
    return fd;
}

void http_send(int fd, const char *bytes, size_t size)
{
    ssize_t n;
    while (size > 0 && (n = send(fd, bytes, size, MSG_NOSIGNAL)) > 0) {
        bytes += n;
        size -= (size_t)n;
    }
}

char *http_receive(int fd)
{
    char *text = NULL, part[4096];
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    ssize_t n;
    while ((n = recv(fd, part, sizeof part, 0)) > 0)
        fwrite(part, 1, (size_t)n, to);
    fclose(to);
    close(fd);
    return text;
}

char *http_get(int port, const char *path)
{
    char request[200];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n",
                     path);
    int fd = http_connect(port);
    http_send(fd, request, (size_t)n);
    return http_receive(fd);
}

int http_status(const char *answer)
{
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

const char *http_body(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}
