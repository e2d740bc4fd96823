/* Whether the relay is ready and alive: a judgement over what it has to do and whether that moves on. Without I/O. */
#ifndef POSTBUS_RELAY_HEALTH_H
#define POSTBUS_RELAY_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_STALLED_US 10000000 /* work that has not moved for this long: not ready */
#define HEALTH_STUCK_US 300000000  /* and for this long: a new process is the better try */

typedef enum health_role {
    HEALTH_AWAY,
    HEALTH_STANDBY,
    HEALTH_RESOLVING, /* nobody else leads; finds out, to lead, what became of the last transaction */
    HEALTH_LEADING
} health_role;

/* What can stand still, each by itself. */
typedef enum health_work {
    HEALTH_READING,     /* a read is under way */
    HEALTH_SHIPPING,    /* events were read and are not settled yet */
    HEALTH_LEADER_LOCK, /* a standby has asked whether it may lead, or a leader whether it still does */
    HEALTH_DOUBT,       /* Kafka is asked what became of the last transaction */
    HEALTH_N_WORKS
} health_work;

typedef struct health_facts {
    health_role role;
    bool stopping;
    bool brokers_down; /* none can be reached */
    struct {
        bool busy;     /* there is such work now */
        uint64_t beat; /* differs when it has moved */
    } works[HEALTH_N_WORKS];
} health_facts;

typedef struct health {
    health_facts facts;
    int64_t since_us[HEALTH_N_WORKS]; /* when the work began or last moved */
    int64_t down_since_us;            /* brokers; 0: they are not */
    bool refused;                     /* the database cannot be served as it is; away_reason says why */
    char away_reason[256];            /* why there is no session; "": none has been opened yet */
} health;

void health_note(health *h, const health_facts *facts, int64_t now_us);
/* Why the session was lost. */
void health_note_lost(health *h, const char *reason);
/* The database was found to be one that cannot be served as it is. */
void health_note_refused(health *h, const char *reason);
/* For how long work has not moved; 0 where there is none. */
int64_t health_stalled_us(const health *h, int64_t now_us);
/* Leads and moves on, or stands by: has a session, and would lead if it might. Otherwise one line says why not; where it is ready, what it is. */
bool health_is_ready(const health *h, int64_t now_us, char *reason, size_t reason_size);
/* Not stuck: what the supervisor should restart it for. */
bool health_is_alive(const health *h, int64_t now_us, char *reason, size_t reason_size);

#endif
