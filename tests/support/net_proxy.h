/* A network of the tests that can be broken: a TCP proxy on 127.0.0.1, in a thread of the test program. Fails the running cmocka test where it
 * cannot be set up.
 *
 * Every command may be given at any time and from any thread, and holds for the connections there are and for those to come, once it has
 * returned. Nothing that was taken from a sender is ever lost or reordered: what a fault holds up arrives when the fault is over. */
#ifndef POSTBUS_TEST_NET_PROXY_H
#define POSTBUS_TEST_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct net_proxy net_proxy;

/* Which way bytes go. */
typedef enum net_way { NET_TO_SERVER = 1, NET_TO_CLIENT = 2, NET_BOTH_WAYS = 3 } net_way;

/* Listens. Connections are reset as long as it has not been told where they should go. */
net_proxy *net_proxy_new(void);
/* Where new connections go: a port of 127.0.0.1. */
void net_proxy_aim(net_proxy *p, int port);
/* Resets all connections. NULL is taken. */
void net_proxy_free(net_proxy *p);

int net_proxy_port(const net_proxy *p);
const char *net_proxy_address(const net_proxy *p); /* "127.0.0.1:PORT" */

/* A cable that is pulled out: connections stay, but of this way no packet arrives any more, be it data, an acknowledgement, an answer to a
 * keepalive, or the end of a connection. So a sender's TCP has reason to give up; for a single way that holds for the sender of that way only:
 * what comes the other way is still acknowledged, which a real network could not do. As long as it lasts no connection can be made: whoever tries
 * hears nothing. */
void net_proxy_cut(net_proxy *p, net_way way);
/* Something in between that hangs: nothing arrives, yet each side's TCP believes that all is well. Connections are accepted. */
void net_proxy_hold(net_proxy *p, net_way way);
/* Each byte arrives so much later. */
void net_proxy_delay(net_proxy *p, net_way way, int delay_ms);
/* Each connection carries no more than so many bytes a second. */
void net_proxy_limit(net_proxy *p, net_way way, int64_t bytes_per_s);
/* Ends all connections by RST, to both sides. */
void net_proxy_reset(net_proxy *p);
/* Nothing listens any more; the connections there are go on. */
void net_proxy_refuse(net_proxy *p);
/* All of the above is over, for both ways. */
void net_proxy_heal(net_proxy *p);

/* Connections that are open, and the bytes that were delivered so far. */
size_t net_proxy_n_connections(net_proxy *p);
uint64_t net_proxy_n_bytes(net_proxy *p, net_way way);

#endif
