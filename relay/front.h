/* The face of the process: /metrics, /healthz, /readyz, what systemd is told, and the signals to stop. It runs on a thread of its own and knows
 * of the databases' relays only what they show (intercom.h), so it answers however busy they are. */
#ifndef POSTBUS_RELAY_FRONT_H
#define POSTBUS_RELAY_FRONT_H

#include "config.h"
#include "http.h"
#include "intercom.h"
#include "notify.h"

typedef struct front {
    const config *cfgs; /* of each database; the settings of the whole process are those of the first */
    intercom *coms;     /* likewise */
    showing *seen;      /* likewise, as they were looked at last */
    size_t n;
    int stop_fd; /* borrowed */
    int wake_fd;
    http *http; /* NULL: http_listen is empty */
    notify notify;
    int n_stops;
    int64_t grace_us;   /* beyond shutdown_timeout_ms: for the last reports, and for the end of a producer */
    int64_t quit_at_us; /* who has not ended then never will */
    double started_at_s;
    pthread_t thread;
} front;

/* Opens what it needs. False: not to be had, and reason says why. To be followed by front_done in both cases. */
bool front_init(front *f, const config *cfgs, intercom *coms, size_t n, int stop_fd, char *reason,
                size_t reason_size);
void front_done(front *f);
/* Starts its thread, which ends once each relay has shown its end. 0 or an errno. */
int front_start(front *f);
/* Waits for that. Returns the exit code of them all together. */
int front_join(front *f);

#endif
