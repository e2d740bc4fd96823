/* What waits in the outbox, asked from the database itself on a session of its own: counting a long backlog takes PostgreSQL a while, and
 * on the relay's session every read would queue behind it. It is asked only while somebody looks. */
#ifndef POSTBUS_RELAY_BACKLOG_H
#define POSTBUS_RELAY_BACKLOG_H

#include "session.h"

#include <stdint.h>

#define BACKLOG_MOST_PARKED 51 /* queries/parked_by_topic.sql gives no more */

typedef struct backlog_parked {
    char topic[250];
    char reason[244]; /* at most 60 characters */
    double n_events;
} backlog_parked;

typedef struct backlog_numbers {
    double n_events;     /* committed and neither published nor parked */
    double oldest_age_s; /* of the oldest of them when it was asked; 0: there is none */
    backlog_parked parked[BACKLOG_MOST_PARKED];
    int n_parked;                        /* rows of parked */
    double leaves;                       /* that hold events, not counting parked ones that were kept */
    double outbox_bytes, receipts_bytes; /* files of the outbox; of receipts and progress */
} backlog_numbers;

typedef struct backlog {
    const char *conninfo;
    session *session;
    bool asking;
    int64_t wanted_until_us;
    int64_t ask_at_us;      /* not before */
    int64_t asked_at_us;    /* when the session was opened or the question sent */
    int64_t known_at_us;    /* when the question was sent that `known` answers; 0: nothing is known */
    int64_t known_until_us; /* then it is too old to be told */
    backlog_numbers known, coming;
} backlog;

/* conninfo is borrowed. */
void backlog_init(backlog *b, const char *conninfo);
/* Hangs up. What is known stays known. */
void backlog_done(backlog *b);
/* Somebody looks: ask now and then for the next minutes. */
void backlog_want(backlog *b, int64_t now_us);
/* Connects, asks, gives up, as is due. CLOCK_NEVER or when to come again. beside: the relay's own session; it connects to where that is
 * connected, since a name server that is slow would hold up the lead. */
int64_t backlog_step(backlog *b, const session *beside, int64_t now_us);
/* The question that was asked last is answered. */
void backlog_answered(backlog *b, int64_t now_us);

#endif
