/* Tells systemd how the relay is; must never block or fail the relay: what cannot be told is not told. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* A path, or a name of the abstract kind behind '@'. */
static bool parse_address(notify *n, const char *name)
{
    size_t length = name ? strlen(name) : 0;
    if (length < 2 || length >= sizeof n->to.sun_path || (name[0] != '/' && name[0] != '@'))
        return false;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, name, length);
    if (name[0] == '@')
        n->to.sun_path[0] = '\0';
    n->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* Half of the time that systemd waits. */
static int64_t feed_every_us(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtoll(pid, NULL, 10) != (long long)getpid()))
        return 0;
    long long us = strtoll(usec, NULL, 10);
    return us > 0 ? us / 2 : 0;
}

void notify_init(notify *n)
{
    *n = (notify){.fd = -1};
    if (!parse_address(n, getenv("NOTIFY_SOCKET")))
        return;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    n->feed_every_us = feed_every_us();
}

void notify_done(notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

static bool tell(notify *n, const char *text)
{
    return n->fd >= 0 &&
           sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&n->to, n->to_size) >= 0;
}

void notify_ready(notify *n)
{
    if (!n->ready)
        n->ready = tell(n, "READY=1");
}

void notify_stopping(notify *n)
{
    tell(n, "STOPPING=1");
}

void notify_status(notify *n, const char *status)
{
    char text[sizeof n->status + 8];
    if (strncmp(n->status, status, sizeof n->status - 1) == 0)
        return;
    snprintf(n->status, sizeof n->status, "%s", status);
    snprintf(text, sizeof text, "STATUS=%s", n->status);
    tell(n, text);
}

int64_t notify_feed(notify *n, int64_t now_us)
{
    if (n->fd < 0 || n->feed_every_us == 0)
        return CLOCK_NEVER;
    if (now_us >= n->feed_at_us) {
        tell(n, "WATCHDOG=1");
        n->feed_at_us = now_us + n->feed_every_us;
    }
    return n->feed_at_us;
}
