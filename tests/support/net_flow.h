/* One way of a connection that goes through a proxy: what was read and may not be written yet. Of net_proxy.c. */
#ifndef POSTBUS_TEST_NET_FLOW_H
#define POSTBUS_TEST_NET_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_NEVER INT64_MAX

/* What holds for one way, of all connections. */
typedef struct net_rules {
    bool cut;  /* nothing arrives, and nobody is told so */
    bool held; /* nothing arrives, and the sender's TCP is told that it did */
    int64_t delay_us;
    int64_t bytes_per_s; /* 0: no limit */
    uint64_t n_bytes;    /* delivered */
} net_rules;

typedef struct net_chunk net_chunk;

typedef struct net_flow {
    int from, to;
    net_rules *rules;
    net_chunk *first, *last;
    size_t queued_bytes;
    int64_t free_at_us;  /* the limit lets nothing more through before */
    int64_t ended_at_us; /* the sender has ended: the receiver may know from then on; NET_NEVER: it has not */
    bool ended;          /* and the receiver knows */
} net_flow;

void net_flow_init(net_flow *f, int from, int to, net_rules *rules);
void net_flow_done(net_flow *f);

/* What to wait for: whether there is room to read; and from when on there is something to write. */
bool net_flow_wants_to_read(const net_flow *f);
int64_t net_flow_writes_at(const net_flow *f);

/* Moves what can be moved now without waiting. False: the connection is broken. */
bool net_flow_read(net_flow *f, int64_t now_us);
bool net_flow_write(net_flow *f, int64_t now_us);

#endif
