/* The view that a relay of one database has of itself: shared by the files that are its loop and its way to the lead; relay_run's file
 * knows the function only. */
#ifndef POSTBUS_RELAY_RELAY_INNER_H
#define POSTBUS_RELAY_RELAY_INNER_H

#include "batch.h"
#include "doorbell.h"
#include "fences.h"
#include "hand_over.h"
#include "home.h"
#include "lane.h"
#include "lease.h"
#include "monitor.h"
#include "parking.h"
#include "read.h"
#include "redrive.h"
#include "relay.h"
#include "retention.h"
#include "session.h"
#include "settle.h"
#include "ship.h"
#include "silent_leader.h"
#include "stall.h"

#define RELAY_RECONNECT_LEAST_US 100000

typedef enum relay_state {
    RELAY_AWAY, /* no session; the next attempt at retry_at_us */
    RELAY_CONNECTING,
    RELAY_JOINING, /* the session is being set up */
    RELAY_STANDBY, /* another relay leads; the next try at retry_at_us */
    RELAY_LEADING,
} relay_state;

typedef struct relay {
    const config *cfg;
    const relay_run_options *options;
    intercom *com;
    bool one_of_several;
    relay_state state;
    session *session;
    ship ship;
    batch_queue queue;
    doorbell bell;
    reader reader;
    fences fences;
    settler settler;
    lanes lanes;
    monitor monitor;
    lease lease;
    silent_leader silent; /* of the one that leads, while this one waits */
    int n_silences; /* sessions that were given up for their silence: the next ones are given more time */
    int64_t joined_at_us;
    int64_t spoke_at_us; /* when the lead was asked for, or looked after, last */
    home home;
    char identity[37]; /* the newest, while taking the lead */
    parking parking;
    redrive redrive;
    hand_over hand_over;
    int64_t pause_until_us; /* of reading, for a lane that closes or a key that is let go of */
    stalls stalls;
    retention retention;
    int64_t retry_at_us, backoff_us;
    int64_t epoch;
    int64_t queues_after; /* while taking the lead: the blocked keys have been loaded up to here */
    bool standby_logged, unlead;
    bool stood_by; /* on this session: it was told that another leads */
    bool refused;  /* the session is to be given up: the database cannot be served as it is */
    int64_t resolving_since_us;
    bool resolving, resolve_sent; /* the way to the lead waits for Kafka: exactly_once.c */
    bool led_in_vain; /* no transaction was committed since one could not be ended: backoff_us only grows */
    bool stopping;
    int64_t stop_by_us;
    int64_t answer_by_us; /* until then what stalled topics have on the wire is waited for */
    int stop_code; /* what stopping ends with: 3 once something acknowledged can no longer be settled */
    int exit_code;
    bool finished;
} relay;

/* Serves one database, on the calling thread, until it is told to stop; tells com its exit code. */
void relay_serve(const config *cfg, const relay_run_options *options, intercom *com, bool one_of_several);

/* Ends the loop. */
void relay_finish(relay *y, int exit_code);
/* What trying again soon cannot mend: logs it, and has the loop give up the session. */
void relay_refuse(relay *y, const char *reason, const char *remedy);
/* Whether the loop is about to give up the session: nothing more is to be begun on it. */
bool relay_gives_up(const relay *y);

/* The session is there: makes it ours, and tries to take the lead. */
void relay_join(relay *y);
/* Once more, from standing by. */
void relay_try_to_lead(relay *y);
/* The lead is had, and all that is in doubt is known: loads where the last leader got to. */
void relay_lead(relay *y);
/* False: nothing may be handed over now, or the lead is lost. */
bool relay_keep_lease(relay *y, int64_t now_us);
void relay_lose_session(relay *y, const char *why);
/* True: no producer can be made, and the lead was given up, so that a relay that can make one has its turn. */
bool relay_gives_way(relay *y);
/* Judges the answer to check.sql: refuses to go on, or gives up the lead, where it must. */
void relay_on_check(void *arg, PGresult *res);

#endif
