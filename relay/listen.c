/* Reads listening addresses and opens them; must never listen on more than what was written. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 16 /* connections that wait to be accepted */

static bool parse_port(const char *text, in_port_t *out)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 5 || text[n] != '\0' || atoi(text) > 65535)
        return false;
    *out = htons((in_port_t)atoi(text));
    return true;
}

static bool parse_v6(const char *text, listen_address *out)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&out->at;
    char host[INET6_ADDRSTRLEN] = "";
    const char *end = strchr(text, ']');
    if (!end || end[1] != ':' || (size_t)(end - text - 1) >= sizeof host)
        return false;
    memcpy(host, text + 1, (size_t)(end - text - 1));
    in->sin6_family = AF_INET6;
    out->size = sizeof *in;
    return inet_pton(AF_INET6, host, &in->sin6_addr) == 1 && parse_port(end + 2, &in->sin6_port);
}

bool listen_parse(const char *text, listen_address *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&out->at;
    char host[INET_ADDRSTRLEN] = "127.0.0.1";
    *out = (listen_address){0};
    if (text[0] == '[')
        return parse_v6(text, out);
    const char *colon = strchr(text, ':');
    size_t host_size = colon ? (size_t)(colon - text) : 0;
    if (host_size >= sizeof host)
        return false;
    if (colon && strncmp(text, "localhost:", 10) != 0)
        snprintf(host, sizeof host, "%.*s", (int)host_size, text);
    in->sin_family = AF_INET;
    out->size = sizeof *in;
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 &&
           parse_port(colon ? colon + 1 : text, &in->sin_port);
}

int listen_open(const listen_address *address)
{
    static const int on = 1;
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->at.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address->at, address->size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

void listen_text(int fd, char *out, size_t out_size)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";
    if (getsockname(fd, (struct sockaddr *)&at, &size) == 0)
        getnameinfo((struct sockaddr *)&at, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, out_size, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
