/* The relay: reads committed events from the outbox, publishes them to Kafka, and records what the brokers acknowledged. */
#ifndef POSTBUS_RELAY_RELAY_H
#define POSTBUS_RELAY_RELAY_H

#include "config.h"

/* Called on a database's thread when its relay has become the leader and serves; NULL to not be told. */
typedef void relay_ready_cb(void *arg);

typedef struct relay_run_options {
    int stop_fd; /* becomes readable: stop; readable with a second byte: quit at once. A signalfd or a pipe. */
    relay_ready_cb *on_ready;
    void *on_ready_arg;
} relay_run_options;

/* Runs a relay of each of n databases, each on a thread of its own, until it is told to stop. Exit codes of `postbus relay`:
 *   0 stopped cleanly: all that was read is published and settled
 *   1 a fault that trying again cannot mend (wrong configuration, a database that is not ours, a system identifier that differs), of each
 *     database: while there is one that can be served, those that cannot are looked at again now and then
 *   3 told to stop, but shutdown_timeout_ms passed or it was told twice: unsettled events are published again by the next relay
 * Where a thread does not come back from a call although it was told to stop, the process ends here, with 3. */
int relay_run(const config *cfgs, size_t n, const relay_run_options *options);

#endif
