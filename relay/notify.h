/* systemd's notification protocol (sd_notify): datagrams of NAME=value lines to the socket that NOTIFY_SOCKET names. */
#ifndef POSTBUS_RELAY_NOTIFY_H
#define POSTBUS_RELAY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct notify {
    int fd; /* -1: nobody asked to be told */
    struct sockaddr_un to;
    socklen_t to_size;
    int64_t feed_every_us; /* 0: no watchdog */
    int64_t feed_at_us;
    bool ready;
    char status[256]; /* as it was told last */
} notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_init(notify *n);
void notify_done(notify *n);
/* Start-up is over: told once, however often it is called; again where it could not be sent. */
void notify_ready(notify *n);
void notify_stopping(notify *n);
/* What `systemctl status` shows; sent where it differs from the last. */
void notify_status(notify *n, const char *status);
/* Feeds the watchdog where it is time. CLOCK_NEVER or when it is to be fed next. */
int64_t notify_feed(notify *n, int64_t now_us);

#endif
