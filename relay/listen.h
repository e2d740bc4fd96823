/* An address to listen on, as the configuration writes it, and its socket. */
#ifndef POSTBUS_RELAY_LISTEN_H
#define POSTBUS_RELAY_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct listen_address {
    struct sockaddr_storage at;
    socklen_t size;
} listen_address;

/* "9464" (on 127.0.0.1), "0.0.0.0:9464", "localhost:9464", "[::1]:9464". Port 0 is any free one. No names are looked up. */
bool listen_parse(const char *text, listen_address *out);
/* A listening socket, or -1 with errno. */
int listen_open(const listen_address *address);
/* "127.0.0.1:9464": where a socket listens. */
void listen_text(int fd, char *out, size_t out_size);

#endif
