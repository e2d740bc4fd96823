/* Sends cancels; must never have anybody wait for a server, nor leave more threads behind than a few for each session. */
#include "cancel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MOST_UNDER_WAY = 3 };

struct cancel {
    PGcancel *server;
    atomic_int n_users, n_under_way;
};

cancel *cancel_new(PGconn *conn)
{
    cancel *c = calloc(1, sizeof *c);
    if (c && (c->server = PQgetCancel(conn)) != NULL) {
        c->n_users = 1;
        return c;
    }
    free(c);
    return NULL;
}

cancel *cancel_share(cancel *c)
{
    if (c)
        atomic_fetch_add(&c->n_users, 1);
    return c;
}

void cancel_leave(cancel *c)
{
    if (!c || atomic_fetch_sub(&c->n_users, 1) > 1)
        return;
    PQfreeCancel(c->server);
    free(c);
}

static void end_way(cancel *c)
{
    atomic_fetch_sub(&c->n_under_way, 1);
    cancel_leave(c);
}

static void *run(void *arg)
{
    char why[256];
    cancel *c = arg;
    PQcancel(c->server, why, sizeof why);
    end_way(c);
    return NULL;
}

/* With no signal let through: those are for the application's own threads. */
static bool start(cancel *c)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, run, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    return started;
}

void cancel_send(cancel *c)
{
    if (!c)
        return;
    cancel_share(c);
    if (atomic_fetch_add(&c->n_under_way, 1) >= MOST_UNDER_WAY || !start(c))
        end_way(c);
}
