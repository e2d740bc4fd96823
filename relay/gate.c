/* Stands in for sendmsg() and write() and asks the lease of those who write to a broker; must never hold up anybody else, and never lock. */
#include "gate.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

#define MOST_FDS 65536

/* Whose socket a descriptor is; NULL: none of ours. */
static _Atomic(gate *) guarded[MOST_FDS];

typedef ssize_t sendmsg_function(int, const struct msghdr *, int);
typedef ssize_t write_function(int, const void *, size_t);

static sendmsg_function *next_sendmsg;
static write_function *next_write;

/* The C library's, or a sanitizer's that stands before them. */
__attribute__((constructor)) static void find_next(void)
{
    next_sendmsg = (sendmsg_function *)(uintptr_t)dlsym(RTLD_NEXT, "sendmsg");
    next_write = (write_function *)(uintptr_t)dlsym(RTLD_NEXT, "write");
}

static bool is_shut(int fd)
{
    if (fd < 0 || fd >= MOST_FDS)
        return false;
    gate *g = atomic_load_explicit(&guarded[fd], memory_order_relaxed);
    if (!g || clock_now_us() < atomic_load(&g->open_until_us))
        return false;
    errno = EPIPE; /* librdkafka closes the connection, and tries another */
    return true;
}

/* librdkafka writes by the one, OpenSSL by the other. The program's own symbols come before those of the libraries it uses. */
__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (is_shut(fd))
        return -1;
    return next_sendmsg ? next_sendmsg(fd, message, flags) : syscall(SYS_sendmsg, fd, message, flags);
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *bytes, size_t size)
{
    if (is_shut(fd))
        return -1;
    return next_write ? next_write(fd, bytes, size) : syscall(SYS_write, fd, bytes, size);
}

/* Closing is by RST, so that the kernel of a relay that is killed sends nothing more for it: a request that a broker got later might
 * come after the successor's. For the same reason it must not try for minutes to get through. */
static int open_socket(int domain, int type, int protocol, void *opaque)
{
    gate *g = opaque;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -1;
    if (fd >= MOST_FDS) {
        close(fd);
        errno = EMFILE;
        return -1;
    }
    struct linger by_reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &by_reset, sizeof by_reset);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &g->wire_ms, sizeof g->wire_ms);
    atomic_store(&guarded[fd], g);
    return fd;
}

static int close_socket(int fd, void *opaque)
{
    (void)opaque;
    atomic_store(&guarded[fd], NULL);
    return close(fd);
}

void gate_init(gate *g, const char *database, int wire_ms)
{
    atomic_init(&g->open_until_us, 0);
    atomic_init(&g->n_holders, 1);
    g->database = database;
    g->wire_ms = wire_ms;
}

gate *gate_new(const char *database, int wire_ms)
{
    gate *g = malloc(sizeof *g);
    if (g)
        gate_init(g, database, wire_ms);
    return g;
}

void gate_hold(gate *g)
{
    atomic_fetch_add(&g->n_holders, 1);
}

void gate_release(gate *g)
{
    if (atomic_fetch_sub(&g->n_holders, 1) == 1)
        free(g);
}

void gate_guard(gate *g, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_opaque(conf, g);
    rd_kafka_conf_set_socket_cb(conf, open_socket);
    rd_kafka_conf_set_closesocket_cb(conf, close_socket);
}

void gate_open(gate *g, int64_t until_us)
{
    atomic_store(&g->open_until_us, until_us);
}

void gate_shut(gate *g)
{
    atomic_store(&g->open_until_us, 0);
}
