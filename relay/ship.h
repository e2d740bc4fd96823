/* The producer: hands records to librdkafka, believes only real acknowledgements, and can be thrown away at any moment. */
#ifndef POSTBUS_RELAY_SHIP_H
#define POSTBUS_RELAY_SHIP_H

#include <librdkafka/rdkafka.h>

#include "binding.h"
#include "gate.h"
#include "page.h"
#include "record.h"
#include "topic.h"
#include "transaction.h"

typedef struct ship {
    const config *cfg;
    topic_table topics;
    record_maker maker;
    bindings bindings; /* nothing leaves while they are stale */
    rd_kafka_t *producer;
    rd_kafka_queue_t *queue;
    bool transactional;        /* the next producer is: for exactly-once delivery, or to find out about one */
    char transactional_id[64]; /* and the group whose position is the transactions' */
    transaction transaction;
    rd_kafka_t *alone; /* for records that travel alone (alone.c); NULL until there is one */
    rd_kafka_queue_t *alone_queue;
    gate *gate; /* of both; shut until the relay leads */
    int event_fd;
    int64_t batch_bytes; /* batch.size: as configured, or less where a topic takes less */
    bool broken;         /* something failed that only a new producer mends: ship_reset */
    bool gapless; /* ... by librdkafka's fatal error; the report of the refused record is yet to come */
    bool refused; /* ... and that is that a record was refused for good: nothing is wrong with the brokers */
    bool purging; /* reports of failure are of our own making */
    bool taken_back;       /* likewise the one that is being taken */
    bool down_logged;      /* all brokers are down, as far as is known, and the log says so */
    char reason[256];      /* why it is broken */
    int64_t restart_at_us; /* no new producer before this */
    int n_refused;         /* times in a row that librdkafka made none */
    int64_t backoff_us;
    int64_t
        wall_ms; /* the time of day when ship_start was called last: often enough for the age of a record */
    int64_t now_us;       /* when ship_start or ship_serve was called last */
    int64_t answered_us;  /* when a broker was last heard of */
    int64_t look_at_us;   /* while all brokers are down: when to ask again whether one is there */
    int64_t ask_again_us; /* what librdkafka remembers of topics: when to make it ask again */
    uint64_t n_acked, n_resets;
    uint64_t n_outages;  /* times that no broker could be reached */
    uint64_t n_doubtful; /* records that failed and may be in the topic all the same */
    void (*on_acked)(void *arg, row *r);
    void (*on_alone_failed)(void *arg, row *r, int refusal); /* a record of ship_alone; -1: send it again */
    void *on_acked_arg;                                      /* of both */
} ship;

typedef enum ship_answer {
    SHIP_SENT,
    SHIP_PARK,    /* the topic is missing, or others of it wait already */
    SHIP_SUSPECT, /* this record will never be taken, says librdkafka: row.suspect is set */
    SHIP_LATER,   /* the topic cannot take it now, others can */
    SHIP_WAIT,    /* nothing leaves now: the queue is full, or the producer is broken */
} ship_answer;

/* false with a sentence in reason where the configuration is refused. */
bool ship_init(ship *s, const config *cfg, void (*on_acked)(void *, row *),
               void (*on_alone_failed)(void *, row *, int), void *arg);
void ship_done(ship *s);

/* To be called before rows are handed over: makes a producer where there is none and it is time; false: not now, or (fatal set) never. */
bool ship_start(ship *s, int64_t now_us);
/* Whether it was refused so often that another relay should have a try. */
bool ship_gives_up(const ship *s);
/* Whether to ask for the lead: not once it has given up, before a producer can be made, which it tries when it is time. */
bool ship_may_lead(ship *s, int64_t now_us);
/* from_lane: the row was parked before, and may leave although its lane is open. */
ship_answer ship_row(ship *s, topic *t, row *r, const page_event *e, bool from_lane);
/* As ship_row, by the other producer, in a request of its own. SHIP_SUSPECT: row.refusal_at tells why. */
ship_answer ship_alone(ship *s, topic *t, row *r, const page_event *e);
/* Asks the brokers about the topics that are due, unless all are down. CLOCK_NEVER or when the next one is due. */
int64_t ship_ask(ship *s, int64_t now_us);
/* While all brokers are down: looks now and then whether one is there, which nothing else may tell as long as there is nothing to send. CLOCK_NEVER or
 * when to look again. */
int64_t ship_look(ship *s, int64_t now_us);
/* Takes reports and answers. True when there was something. */
bool ship_serve(ship *s, int64_t now_us);
/* Throws away what neither producer has sent: at once, before anything waits for reports. */
void ship_purge(ship *s);
/* Likewise of the second producer only: what it has on its way to a broker stays there. */
void ship_recall_alone(ship *s);
/* The producers are well, and have to go all the same: ship_reset. */
void ship_give_up(ship *s, const char *why);
/* Whether rows of the topic may be tried again that were answered SHIP_LATER. */
bool ship_goes_on(const topic *t);
/* Purges what is queued, waits up to wait_ms for what is on the wire, and ends the producer. Afterwards no row is ROW_SENT. */
void ship_reset(ship *s, int wait_ms, int64_t now_us);
/* The same for the producer of records that travel alone. */
void ship_reset_alone(ship *s, int wait_ms);
/* How many records the producers hold, of topics that have stalled, and of all. */
int ship_stalled(ship *s, bool alone);
int ship_in_flight(const ship *s);

#endif
