/* The partitions that a reader has: taken over in the database, read from there, paused under pressure, and moved on. */
#ifndef POSTBUS_WORKER_ASSIGNMENT_H
#define POSTBUS_WORKER_ASSIGNMENT_H

#include <librdkafka/rdkafka.h>

#include "feed.h"
#include "leaders.h"
#include "session.h"

typedef struct partition {
    const char *topic; /* of the subscription */
    int source;
    int32_t number;
    int64_t epoch, stored_next;
    int64_t doubt_to; /* before this offset are events with which a process may have died */
    int n_doubted;
    int incarnation;
    bool paused;
} partition;

typedef struct assignment {
    feed *feed;
    rd_kafka_t *rk;
    session *session;
    rd_kafka_topic_partition_list_t *wanted; /* what the group gave this member; NULL: nothing */
    partition *placed;                       /* each has the window of the same place in feed->windows */
    size_t n_placed;
    int ask_from;        /* with which of wanted brokers are asked first */
    int64_t place_at_ms; /* when wanted is to be placed (again); INT64_MAX: it is */
    int64_t
        absent_at_ms; /* when partitions that had no position and no leader are looked for; INT64_MAX: there are none */
} assignment;

void assignment_init(assignment *a, feed *f, session *s);
void assignment_done(assignment *a);

/* The group's word: copied; NULL: nothing any more. It is to be placed then. */
void assignment_want(assignment *a, const rd_kafka_topic_partition_list_t *partitions);
/* Nothing is read until it is placed; what was dispatched is nobody's. */
void assignment_drop(assignment *a);
/* Takes wanted over in the database, and reads from there. A failure: nothing is read, and it is to be tried again. Partitions that have no position yet,
 * and of which no broker tells where they begin, are left out, and the others are read. */
PBUS_MUST_USE pbus_status assignment_place(assignment *a, pbus_error *err);

enum { ASSIGNMENT_AGAIN_MS = 1000 }; /* after it failed it is placed again */

/* The parts of it that do not know who keeps positions. */

/* Of each that is wanted: room for as many. */
void assignment_ask_ends(assignment *a, leaders_ends *out);
/* Reads n partitions, each from its stored_next; takes the array over, whatever comes of it. */
PBUS_MUST_USE pbus_status assignment_begin(assignment *a, partition *placed, size_t n, pbus_error *err);
/* What lay behind the position `from` is gone: deleted, or the topic was made anew. It is read from p->stored_next. */
void assignment_tell_gap(assignment *a, const partition *p, int64_t from, bool deleted);

/* Whether one of those that were left out can be placed now. What is read meanwhile is not touched. */
bool assignment_sees_absent(assignment *a);

/* Writes down how far all is done, where that has changed. */
PBUS_MUST_USE pbus_status assignment_move(assignment *a, pbus_error *err);

/* Tells the database that the partitions are given up: whoever takes them over need not ask what killed this process. */
PBUS_MUST_USE pbus_status assignment_give_up(assignment *a, pbus_error *err);

/* Whether the next event that is handed to a lane may have been in hand when a process died. */
bool assignment_doubts(assignment *a, size_t place, int64_t offset);

/* n_placed: none. */
size_t assignment_find(const assignment *a, const char *topic, int32_t number);

/* Pauses and resumes so that nothing is read while `full`, and nothing of a partition of which too much waits for its first event. */
void assignment_pause(assignment *a, bool full);
/* Ends every pause, whatever it was for. Before partitions are given up or placed anew: librdkafka keeps a pause for the next assignment, which would know
 * nothing of it and never end it. */
void assignment_resume(assignment *a);

#endif
