/* Forwards TCP and breaks it on command; must never lose a byte that it took, and holds its lock only while nothing can block. */
#include "net_proxy.h"

#include "cmocka_all.h"
#include "net_flow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Below the ports that outgoing connections draw from, so that nobody takes it while nothing listens. */
enum { LEAST_PORT = 15000, N_PORTS = 17000, PORT_ATTEMPTS = 200, BACKLOG = 512, FIXED_FDS = 2 };

typedef struct connection connection;
struct connection {
    connection *next;
    int client, server;
    net_flow to_server, to_client;
};

struct net_proxy {
    pthread_t thread;
    pthread_mutex_t lock;
    int listener, wake_fd, port, target;
    char address[32];
    bool refuses, ends;
    net_rules to_server, to_client;
    connection *connections;
    size_t n;
};

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* ---- sockets ---- */

/* A filter that takes no packet: the kernel drops each one that comes before TCP has seen it, and so acknowledges nothing. */
static void set_deaf(int fd, bool deaf)
{
    struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {.len = 1, .filter = nothing};
    if (deaf)
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    else
        setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &program, sizeof program);
}

static void close_by_reset(int fd)
{
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int random_port(void)
{
    uint16_t number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        fail_msg("getrandom: %s", strerror(errno));
    return LEAST_PORT + number % N_PORTS;
}

static bool listen_on(net_proxy *p, int port)
{
    int on = 1;
    struct sockaddr_in at = local(port);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(p->listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(p->listener, BACKLOG) == 0) {
        p->port = port;
        snprintf(p->address, sizeof p->address, "127.0.0.1:%d", port);
        return true;
    }
    close(p->listener);
    return false;
}

/* ---- connections ---- */

static void forget(net_proxy *p, connection **at)
{
    connection *c = *at;
    *at = c->next;
    p->n--;
    net_flow_done(&c->to_server);
    net_flow_done(&c->to_client);
    free(c);
}

static void break_off(net_proxy *p, connection **at)
{
    close_by_reset((*at)->client);
    close_by_reset((*at)->server);
    forget(p, at);
}

static void end(net_proxy *p, connection **at)
{
    close((*at)->client);
    close((*at)->server);
    forget(p, at);
}

static int connect_to_target(const net_proxy *p)
{
    struct sockaddr_in to = local(p->target);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->target == 0 || (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    no_delay(fd);
    return fd;
}

static void accept_one(net_proxy *p)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = connect_to_target(p);
    connection *c = server < 0 ? NULL : calloc(1, sizeof *c);
    if (!c) {
        close_by_reset(client);
        if (server >= 0)
            close(server);
        return;
    }
    no_delay(client);
    set_deaf(client, p->to_server.cut);
    set_deaf(server, p->to_client.cut);
    *c = (connection){.next = p->connections, .client = client, .server = server};
    net_flow_init(&c->to_server, client, server, &p->to_server);
    net_flow_init(&c->to_client, server, client, &p->to_client);
    p->connections = c;
    p->n++;
}

/* False: the connection is broken. */
static bool move(connection *c, const struct pollfd *fds, int64_t now)
{
    bool ok = true;
    if (fds[0].revents & (POLLIN | POLLERR | POLLHUP))
        ok = net_flow_read(&c->to_server, now);
    if (ok && fds[1].revents & (POLLIN | POLLERR | POLLHUP))
        ok = net_flow_read(&c->to_client, now);
    return ok && net_flow_write(&c->to_server, now) && net_flow_write(&c->to_client, now);
}

/* ---- the thread ---- */

/* A socket of which nothing is wanted is left out: poll would return at once for its end. */
static void ask_for(struct pollfd *fd, int socket, const net_flow *reads, const net_flow *writes, int64_t now,
                    int64_t *until)
{
    int64_t at = net_flow_writes_at(writes);
    short events = (short)((net_flow_wants_to_read(reads) ? POLLIN : 0) | (at <= now ? POLLOUT : 0));
    *fd = (struct pollfd){.fd = events ? socket : -1, .events = events};
    if (at > now && at < *until)
        *until = at;
}

static struct pollfd *fill(net_proxy *p, size_t *n_fds, int64_t now, int64_t *until)
{
    struct pollfd *fds = calloc(FIXED_FDS + 2 * p->n, sizeof *fds);
    if (!fds)
        abort(); /* not the test's thread: cmocka cannot be told */
    fds[0] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = p->refuses ? -1 : p->listener, .events = POLLIN};
    size_t i = FIXED_FDS;
    for (connection *c = p->connections; c; c = c->next, i += 2) {
        ask_for(&fds[i], c->client, &c->to_server, &c->to_client, now, until);
        ask_for(&fds[i + 1], c->server, &c->to_client, &c->to_server, now, until);
    }
    *n_fds = i;
    return fds;
}

/* The list is as it was when fds were filled, or it was reset meanwhile and is empty. */
static void serve_connections(net_proxy *p, const struct pollfd *fds)
{
    int64_t now = now_us();
    for (connection **at = &p->connections; *at; fds += 2) {
        connection *c = *at;
        if (!move(c, fds, now))
            break_off(p, at);
        else if (c->to_server.ended && c->to_client.ended)
            end(p, at);
        else
            at = &c->next;
    }
}

static void serve(net_proxy *p, const struct pollfd *fds)
{
    uint64_t count;
    serve_connections(p, fds + FIXED_FDS);
    if (fds[0].revents && read(p->wake_fd, &count, sizeof count) < 0)
        return;
    if (fds[1].revents && !p->refuses)
        accept_one(p);
}

static void *run(void *arg)
{
    net_proxy *p = arg;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        bool ends = p->ends;
        int64_t now = now_us(), until = now + 1000000;
        size_t n_fds;
        struct pollfd *fds = fill(p, &n_fds, now, &until);
        pthread_mutex_unlock(&p->lock);
        if (!ends) {
            struct timespec wait = {.tv_sec = (until - now) / 1000000,
                                    .tv_nsec = (until - now) % 1000000 * 1000};
            ppoll(fds, n_fds, &wait, NULL);
            pthread_mutex_lock(&p->lock);
            serve(p, fds);
            pthread_mutex_unlock(&p->lock);
        }
        free(fds);
        if (ends)
            return NULL;
    }
}

/* ---- commands ---- */

static void wake(net_proxy *p)
{
    uint64_t one = 1;
    if (write(p->wake_fd, &one, sizeof one) != sizeof one)
        fail_msg("the proxy cannot be woken: %s", strerror(errno));
}

net_proxy *net_proxy_new(void)
{
    net_proxy *p = calloc(1, sizeof *p);
    if (!p)
        fail_msg("no memory for a proxy");
    int attempts = 0;
    while (!listen_on(p, random_port()))
        if (++attempts == PORT_ATTEMPTS)
            fail_msg("no port for a proxy: %s", strerror(errno));
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0 || pthread_mutex_init(&p->lock, NULL) != 0 ||
        pthread_create(&p->thread, NULL, run, p) != 0)
        fail_msg("no thread for a proxy");
    return p;
}

static void reset_all(net_proxy *p)
{
    while (p->connections)
        break_off(p, &p->connections);
}

void net_proxy_free(net_proxy *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
    pthread_join(p->thread, NULL);
    reset_all(p);
    close(p->listener);
    close(p->wake_fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int net_proxy_port(const net_proxy *p)
{
    return p->port;
}

const char *net_proxy_address(const net_proxy *p)
{
    return p->address;
}

/* Lets the sockets hear what the rules let them hear. Whoever listens hears nothing while either way is cut: a handshake needs both. */
static void apply(net_proxy *p)
{
    set_deaf(p->listener, p->to_server.cut || p->to_client.cut);
    for (connection *c = p->connections; c; c = c->next) {
        set_deaf(c->client, p->to_server.cut);
        set_deaf(c->server, p->to_client.cut);
    }
}

typedef struct net_change {
    bool cut, hold;
    int64_t delay_us, bytes_per_s;
} net_change;

static void change_rules(net_rules *r, net_change change)
{
    r->cut |= change.cut;
    r->held |= change.hold;
    if (change.delay_us >= 0)
        r->delay_us = change.delay_us;
    if (change.bytes_per_s >= 0)
        r->bytes_per_s = change.bytes_per_s;
}

static void change_way(net_proxy *p, net_way way, net_change change)
{
    pthread_mutex_lock(&p->lock);
    if (way & NET_TO_SERVER)
        change_rules(&p->to_server, change);
    if (way & NET_TO_CLIENT)
        change_rules(&p->to_client, change);
    apply(p);
    pthread_mutex_unlock(&p->lock);
    wake(p);
}

void net_proxy_cut(net_proxy *p, net_way way)
{
    change_way(p, way, (net_change){.cut = true, .delay_us = -1, .bytes_per_s = -1});
}

void net_proxy_hold(net_proxy *p, net_way way)
{
    change_way(p, way, (net_change){.hold = true, .delay_us = -1, .bytes_per_s = -1});
}

void net_proxy_delay(net_proxy *p, net_way way, int delay_ms)
{
    change_way(p, way, (net_change){.delay_us = (int64_t)delay_ms * 1000, .bytes_per_s = -1});
}

void net_proxy_limit(net_proxy *p, net_way way, int64_t bytes_per_s)
{
    change_way(p, way, (net_change){.delay_us = -1, .bytes_per_s = bytes_per_s});
}

void net_proxy_aim(net_proxy *p, int port)
{
    pthread_mutex_lock(&p->lock);
    p->target = port;
    pthread_mutex_unlock(&p->lock);
}

void net_proxy_reset(net_proxy *p)
{
    pthread_mutex_lock(&p->lock);
    reset_all(p);
    pthread_mutex_unlock(&p->lock);
    wake(p);
}

/* shutdown ends the listening and keeps the port. */
void net_proxy_refuse(net_proxy *p)
{
    pthread_mutex_lock(&p->lock);
    if (!p->refuses)
        shutdown(p->listener, SHUT_RDWR);
    p->refuses = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
}

static void heal_rules(net_rules *r)
{
    *r = (net_rules){.n_bytes = r->n_bytes};
}

void net_proxy_heal(net_proxy *p)
{
    pthread_mutex_lock(&p->lock);
    heal_rules(&p->to_server);
    heal_rules(&p->to_client);
    if (p->refuses && listen(p->listener, BACKLOG) != 0)
        fail_msg("port %d cannot be listened on again: %s", p->port, strerror(errno));
    p->refuses = false;
    apply(p);
    pthread_mutex_unlock(&p->lock);
    wake(p);
}

size_t net_proxy_n_connections(net_proxy *p)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->n;
    pthread_mutex_unlock(&p->lock);
    return n;
}

uint64_t net_proxy_n_bytes(net_proxy *p, net_way way)
{
    pthread_mutex_lock(&p->lock);
    uint64_t n =
        (way & NET_TO_SERVER ? p->to_server.n_bytes : 0) + (way & NET_TO_CLIENT ? p->to_client.n_bytes : 0);
    pthread_mutex_unlock(&p->lock);
    return n;
}
