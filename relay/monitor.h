/* What a database's relay knows of itself: its health, its counters, its backlog. It looks at the rooms' own counters, on the relay's thread,
 * and shows them to the front; the rooms do not know it. */
#ifndef POSTBUS_RELAY_MONITOR_H
#define POSTBUS_RELAY_MONITOR_H

#include <poll.h>

#include "backlog.h"
#include "batch.h"
#include "config.h"
#include "doorbell.h"
#include "health.h"
#include "intercom.h"
#include "metrics.h"
#include "read.h"
#include "retention.h"
#include "settle.h"
#include "ship.h"

/* Borrowed; all outlive the monitor. */
typedef struct monitor_rooms {
    const ship *ship;
    const batch_queue *queue;
    const doorbell *bell;
    const reader *reader;
    const settler *settler;
    const retention *retention;
} monitor_rooms;

typedef struct monitor {
    const config *cfg;
    monitor_rooms rooms;
    intercom *com;
    backlog backlog;
    health health;
    bool stopping;
    int64_t look_at_us; /* at the rooms, for health */
    int64_t epoch;      /* 0: does not lead */
    uint64_t n_elections, n_sessions_lost, n_unsettled, n_asked_to_lead;
    histogram page_events, read_times, acknowledge_times, publish_times;
} monitor;

void monitor_init(monitor *m, const config *cfg, monitor_rooms rooms, intercom *com);
void monitor_done(monitor *m);

/* Takes the lead. */
void monitor_elected(monitor *m, int64_t epoch);
/* Was told that another leads. */
void monitor_stands_by(monitor *m);
/* Was told to stop. */
void monitor_stopping(monitor *m);
/* The session is being left, with what is in the queue. */
void monitor_left(monitor *m);
/* The session was lost or could not be opened. */
void monitor_lost(monitor *m, const char *why);
/* The database cannot be served as it is. */
void monitor_refused(monitor *m, const char *why);
/* The last event of a page is acknowledged. */
void monitor_page_acked(monitor *m, const page *p);

/* Once a turn of the loop: looks at the rooms now and then, and shows what it knows. waits_for: HEALTH_LEADER_LOCK or HEALTH_DOUBT, where
 * that is what it waits for to lead, or to go on leading. */
void monitor_turn(monitor *m, health_role role, health_work waits_for, int64_t now_us);
/* Whether work has stood still for so long that beginning anew is the better try; reason tells what. */
bool monitor_is_stuck(const monitor *m, int64_t now_us, char *reason, size_t reason_size);
/* Fills a descriptor for the loop's poll. CLOCK_NEVER or when to go on all the same. own: the relay's session, or NULL. */
int64_t monitor_poll(monitor *m, const session *own, struct pollfd *fd, int64_t now_us);
/* After the poll. */
void monitor_serve(monitor *m, const struct pollfd *fd);

#endif
