/* The gate: stands before each byte that librdkafka's threads write to a broker's socket, and is shut once the relay may no longer lead.
 *
 * What is in the producer's queue when a relay is stopped would be sent by librdkafka's own thread in the instant in which the relay is woken,
 * before any other thread of ours has seen how late it is. So the lease is asked where the bytes leave: in sendmsg() and write() (gate.c),
 * by the thread that calls them, and for the sockets of brokers only. */
#ifndef POSTBUS_RELAY_GATE_H
#define POSTBUS_RELAY_GATE_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct gate {
    _Atomic int64_t open_until_us; /* 0: shut */
    _Atomic int n_holders;
    const char *database; /* whose it is, for the log; may be NULL */
    int wire_ms;          /* what a broker's machine has not acknowledged for so long, the kernel gives up */
} gate;

/* Shut, and held by the caller. The name is borrowed. */
void gate_init(gate *g, const char *database, int wire_ms);
/* As gate_init, in memory of its own, which the last who releases it frees. NULL: no memory. */
gate *gate_new(const char *database, int wire_ms);
void gate_hold(gate *g);
void gate_release(gate *g);
/* Sockets that a producer of this configuration opens are behind the gate, which must outlive the producer. It becomes the opaque of conf. */
void gate_guard(gate *g, rd_kafka_conf_t *conf);
/* Open before this time of clock_now_us(). */
void gate_open(gate *g, int64_t until_us);
/* At once; what the kernel has is on its way. */
void gate_shut(gate *g);

#endif
