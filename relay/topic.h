/* What the relay knows of a topic, and its lane: the parked events that wait for it. */
#ifndef POSTBUS_RELAY_TOPIC_H
#define POSTBUS_RELAY_TOPIC_H

#include <librdkafka/rdkafka.h>

#include "config.h"
#include "first_flight.h"
#include "flights.h"
#include "page.h"

typedef enum topic_state {
    TOPIC_UNKNOWN, /* asked for, or to be asked for: nothing is handed over yet */
    TOPIC_READY,
    TOPIC_MISSING, /* or refused as a whole: its events are parked */
} topic_state;

typedef struct topic {
    struct topic *next;        /* of its slot */
    struct topic *next_of_all; /* of the table */
    char *name;
    topic_state state;
    bool asking;
    int64_t ask_at_us;
    rd_kafka_topic_t *handle; /* NULL until ready */
    first_flight first;       /* of the handle */
    int64_t max_bytes;        /* the topic's max.message.bytes; 0: not known */
    bool compacted;           /* it takes no record without a key */
    flights flights;
    bool doubted; /* a broker refused a record of it unclearly (refusal.h): all are sent alone */
    int64_t doubted_until_us, doubted_us; /* topic_doubt: until then, and for how long that is */
    const struct binding *binding; /* of this generation of bindings; NULL: its events leave as they are */
    uint64_t binding_generation;
    int64_t unknown_since_us; /* since when rows have waited for it to be known; 0: none do */
    uint64_t passed_in;       /* hand_over.c: rows of it were passed over */
    bool leaderless;          /* a partition had no leader when the brokers were asked last */
    int refusal;              /* why its events are parked, where it does not stop: refusal.h */
    bool refusal_logged;
    int64_t denied_until_us, denied_us; /* topic_denied: until then, and for how long that is */
    int64_t
        oldest_ms; /* records may be this old before the topic's retention or timestamp bounds could delete or refuse them */

    /* The lane. While it is open, new events of the topic are parked behind those that wait. */
    struct lanes *lanes; /* whom to tell, once the lane has been open */
    bool lane_open;
    size_t n_unsettled; /* rows marked parked whose commit has not come yet */
    uint64_t n_parked;  /* parks committed in this session: tells whether a read of the lane is out of date */
    size_t n_stops;     /* refused events at which it stops (park_policy): the lane does not drain */
    bool
        head_alone; /* it was refused as a whole, has stalled, or a former leader left its lane: the first of it has to show whether that is over */
    bool stalled;   /* stall.c: nothing goes to it but from the lane, one event at a time */
    int n_stalls;   /* of late */
    int64_t stalled_at_us;
    int64_t stop_rests_until_us;       /* where it has stalled: what it stops at is not tried before */
    bool lane_dirty;                   /* there may be parked events that have not been read */
    bool lane_reading, lane_unparking; /* statements are on their way */
    bool
        lane_closing; /* nothing waits but what is being parked just now: reading pauses until that is settled */
    uint64_t lane_read_at; /* n_parked when the read was sent */
    int64_t
        lane_look_at_us; /* it was found empty and may not close: it is read again then, or when something is parked; 0: it was not */
    int64_t lane_after_n; /* what was parked up to this number has left */
    int64_t lane_told_n;  /* what of it up to this number is not in the outbox has been told */
    page *lane_page;
    int64_t lane_page_n; /* the number of its last row */
    bool lane_left; /* no further row of lane_page may leave: an earlier one of its key may have stayed */
    int lane_ship;  /* the next row of lane_page to hand over */
} topic;

typedef struct topic_table {
    topic *slots[1024];
    topic *all;  /* by next_of_all */
    topic *last; /* the topic asked for last: most often the next one too */
    const config *cfg;
    bool transactional; /* no first flight: a transaction with a record missing is aborted */
    int32_t broker_id;  /* who is asked; meaningful where knows_broker is set */
    bool knows_broker;
    unsigned n_brokers_tried;
    int64_t find_broker_at_us; /* not before, where it has been looked for in vain */
    int64_t least_max_bytes;   /* the smallest max.message.bytes of the topics seen; 0: none seen */
} topic_table;

/* The topic by that name, made on first sight; NULL: no memory. */
topic *topic_find(topic_table *t, const char *name, size_t size);
/* A broker refuses every event of the topic: they are parked, and it is asked again later. */
void topic_refused(topic_table *table, topic *t, int refusal, int64_t now_us);
/* The same, found out at the price of the producer: so seldom that the other topics get on, it is tried again. */
void topic_denied(topic *t, int refusal, int64_t now_us);
/* A broker refused a record of it, and it is not clear why. Where most of its records are well, that is soon over; where others of them are refused each
 * time, it would throw the first producer away each time: so seldom that the other topics get on. */
void topic_doubt(topic *t, int64_t now_us);
/* A new producer: handles and knowledge of the old one are void. Lanes stay. */
void topic_table_forget(topic_table *t);
/* After that producer has ended: none of its threads asks for a partition any more. */
void topic_table_ended(topic_table *t);
/* A new session: lanes are read from the database again. No row of a lane may be ROW_SENT. */
void topic_table_close_lanes(topic_table *t);
void topic_table_free(topic_table *t);

/* Asks the brokers about the topics that are due; the answers come on queue. CLOCK_NEVER or when the next one is due. */
int64_t topic_table_ask(topic_table *t, rd_kafka_t *rk, rd_kafka_queue_t *queue, int64_t now_us);
/* Handles an answer; false where the event is not about topics. Logs what an operator should know. */
bool topic_table_answer(topic_table *t, rd_kafka_t *rk, rd_kafka_queue_t *queue, rd_kafka_event_t *event,
                        int64_t now_us);

/* Nothing of it can leave before that is over: it is missing, refused, or has stalled. Where it stops behind a refused event, that one is tried now and
 * then all the same: the lane, whose first event ends a stall, comes behind it. */
bool topic_is_away(const topic *t, int64_t now_us);
/* A broker took an event of it. Where nothing waits in its lane, what it refused before (a redrive's events have no lane) is over. */
void topic_takes(topic *t);
/* It takes events again, or nothing of it waits any more: neither refused nor stalled from now on. */
void topic_resumes(topic *t);
/* Asks any broker which partitions have a leader, and waits for the answer, if only for a moment. False: none answers. */
bool topic_table_look(topic_table *t, rd_kafka_t *rk);

/* Calls fn for each topic. */
void topic_table_each(topic_table *t, void (*fn)(topic *, void *), void *arg);

#endif
