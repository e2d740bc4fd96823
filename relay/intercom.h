/* Between the relay of one database, on its thread, and the front, which speaks for all of them on its own: wishes one way, a copy of what
 * the relay has to show the other way. Neither ever waits for the other's work. */
#ifndef POSTBUS_RELAY_INTERCOM_H
#define POSTBUS_RELAY_INTERCOM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backlog.h"
#include "health.h"
#include "metrics.h"

#define INTERCOM_ABSENT_US 10000000 /* a call that has not come back for so long: not ready */

/* What a relay shows. */
typedef struct showing {
    health health;
    metrics metrics;        /* but for what depends on the time, on the process and on `parked` */
    backlog_numbers parked; /* where known_at_us is not 0 */
    int64_t known_at_us, known_until_us; /* as backlog's */
    int64_t awake_since_us;              /* its thread is at work since; 0: it sleeps */
    bool ended;                          /* and what it ended with: */
    int exit_code;
} showing;

typedef struct intercom {
    int relay_fd, front_fd; /* eventfds that wake the one and the other; front_fd is borrowed */
    atomic_int n_stops;     /* 1: stop; 2: quit at once */
    atomic_bool give_up;    /* end: no database is left that can be served */
    atomic_bool backlog_wanted;
    atomic_int_least64_t awake_since_us;
    pthread_mutex_t lock; /* of what follows; held for a copy */
    showing shown;
} intercom;

/* False: no descriptor is to be had. */
bool intercom_init(intercom *i, int front_fd);
void intercom_done(intercom *i);

/* For the front. */
void intercom_wake_relay(intercom *i);
void intercom_read(intercom *i, showing *out);
/* Whether it has ended, or was refused and waits: without a copy of all the rest. */
void intercom_peek(intercom *i, bool *out_ended, bool *out_refused);

/* For the relay: it shows now what *now holds; known is copied where it is younger than what is shown. Wakes the front where the front has
 * to act on it. */
void intercom_show(intercom *i, const health *h, const metrics *m, const backlog *b);
void intercom_show_end(intercom *i, int exit_code);
/* Takes what woke it. */
void intercom_take_wake(intercom *i);

/* As health_is_ready and health_is_alive, for a relay with a thread of its own, which may not come back from a call. */
bool showing_is_ready(const showing *s, int64_t now_us, char *reason, size_t reason_size);
bool showing_is_alive(const showing *s, bool one_of_several, int64_t now_us, char *reason,
                      size_t reason_size);

#endif
