/* Cancelling what a session is doing, while nobody waits for the server. */
#ifndef POSTBUS_WORKER_CANCEL_H
#define POSTBUS_WORKER_CANCEL_H

#include <libpq-fe.h>

/* Who has one holds it once more for each thread that uses it. */
typedef struct cancel cancel;

/* NULL: no memory, and nothing can be cancelled. */
cancel *cancel_new(PGconn *conn);
/* For another thread, which leaves it, too. Takes NULL. */
cancel *cancel_share(cancel *c);
/* The last one frees it. Takes NULL. */
void cancel_leave(cancel *c);

/* Sends it from a thread of its own, which ends by itself, be it after the session and the worker: where something in between takes the connection and says
 * nothing, PQcancel waits without a limit. Does nothing where some are on their way already. Never waits; takes NULL. A cancel that is there before its
 * command is takes no effect: who waits for an end sends it again. */
void cancel_send(cancel *c);

#endif
