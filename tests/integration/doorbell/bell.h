/* A PostgreSQL of its own with the outbox in it, and sessions that look at the doorbell from both sides. */
#ifndef POSTBUS_TEST_BELL_H
#define POSTBUS_TEST_BELL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* cmocka's group fixtures: one server for a program. */
int bell_server_start(void **state);
int bell_server_stop(void **state);

PGconn *bell_connect(void);

/* The relay's side: LISTEN, and the lock. */
PGconn *bell_relay_connect(void);
bool bell_try_arm(PGconn *relay);
void bell_disarm(PGconn *relay);

/* How many rings reached the relay from transactions that ended before this call. Waits for none: a message that it sends
 * itself on another channel comes after them. */
int bell_rings(PGconn *relay);

/* How many hold the bell's lock shared, prepared transactions included. */
int64_t bell_sharers(PGconn *any);

#endif
