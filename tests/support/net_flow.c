/* Carries bytes from one socket to the other, late or slowly or not yet; must never lose or reorder what it took. */
#include "net_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, MOST_QUEUED_BYTES = 1 << 20, PORTIONS_PER_S = 100 };

struct net_chunk {
    net_chunk *next;
    int64_t due_us;
    size_t size, written;
    char bytes[];
};

void net_flow_init(net_flow *f, int from, int to, net_rules *rules)
{
    *f = (net_flow){.from = from, .to = to, .rules = rules, .ended_at_us = NET_NEVER};
}

static void drop_first(net_flow *f)
{
    net_chunk *c = f->first;
    f->first = c->next;
    if (!f->first)
        f->last = NULL;
    free(c);
}

void net_flow_done(net_flow *f)
{
    while (f->first)
        drop_first(f);
}

bool net_flow_wants_to_read(const net_flow *f)
{
    return !f->rules->cut && f->ended_at_us == NET_NEVER && f->queued_bytes < MOST_QUEUED_BYTES;
}

int64_t net_flow_writes_at(const net_flow *f)
{
    if (f->rules->cut || f->rules->held || f->ended)
        return NET_NEVER;
    if (!f->first)
        return f->ended_at_us;
    return f->first->due_us > f->free_at_us ? f->first->due_us : f->free_at_us;
}

bool net_flow_read(net_flow *f, int64_t now_us)
{
    if (!net_flow_wants_to_read(f))
        return true;
    net_chunk *c = malloc(sizeof *c + CHUNK_BYTES);
    ssize_t n = c ? read(f->from, c->bytes, CHUNK_BYTES) : -1;
    if (n <= 0) {
        bool later = !c || (n < 0 && (errno == EAGAIN || errno == EINTR));
        free(c);
        if (n == 0)
            f->ended_at_us = now_us + f->rules->delay_us;
        return n == 0 || later;
    }
    net_chunk *fitting = realloc(c, sizeof *c + (size_t)n);
    c = fitting ? fitting : c;
    c->next = NULL;
    c->due_us = now_us + f->rules->delay_us;
    c->size = (size_t)n;
    c->written = 0;
    if (f->last)
        f->last->next = c;
    else
        f->first = c;
    f->last = c;
    f->queued_bytes += (size_t)n;
    return true;
}

/* As many bytes as the limit lets through at once. */
static size_t portion(const net_flow *f, size_t size)
{
    size_t most = (size_t)(f->rules->bytes_per_s / PORTIONS_PER_S) + 1;
    return f->rules->bytes_per_s > 0 && size > most ? most : size;
}

static bool write_chunk(net_flow *f, int64_t now_us)
{
    net_chunk *c = f->first;
    ssize_t n = send(f->to, c->bytes + c->written, portion(f, c->size - c->written), MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->written += (size_t)n;
    f->queued_bytes -= (size_t)n;
    f->rules->n_bytes += (uint64_t)n;
    if (f->rules->bytes_per_s > 0)
        f->free_at_us = now_us + (int64_t)n * 1000000 / f->rules->bytes_per_s;
    if (c->written == c->size)
        drop_first(f);
    return true;
}

bool net_flow_write(net_flow *f, int64_t now_us)
{
    if (net_flow_writes_at(f) > now_us)
        return true;
    if (f->first)
        return write_chunk(f, now_us);
    f->ended = true;
    shutdown(f->to, SHUT_WR);
    return true;
}
