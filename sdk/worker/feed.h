/* One subscription at work: what its reader and its lanes share. Everything below `lock` belongs to whoever holds it. */
#ifndef POSTBUS_WORKER_FEED_H
#define POSTBUS_WORKER_FEED_H

#include <pthread.h>
#include <stdatomic.h>

#include "event.h"
#include "subscription.h"
#include "window.h"

/* What the whole worker was started with. */
typedef struct setting {
    char *name, *value;
} setting;

typedef struct worker_config {
    pbus_positions positions;
    char *application, *conninfo, *brokers; /* conninfo: NULL without a database */
    int list_version;
    setting *kafka;
    size_t n_kafka;
    event_headers headers;
    pbus_notice_function *notice;
    void *notice_arg;
} worker_config;

typedef struct lane lane;
struct outlet;

typedef struct feed {
    const worker_config *cfg;
    const subscription *sub;
    int id;            /* the subscription's number in the database */
    char instance[12]; /* by which other members tell whose sessions are whose */
    lane *lanes;
    struct outlet *outlet; /* of dead letters, without a database; may be NULL */
    pthread_t reader;
    bool reader_started;
    atomic_int_least64_t beat_ms; /* when the reader came round last, by feed_now_ms; 0: never */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* there is room, a lane or the reader has ended */
    bool stopping;          /* nothing more is taken up */
    bool abandoned;         /* what handlers still return is rolled back */
    bool lost;              /* a session was lost: positions are to be read again */
    bool reader_ended;
    bool placed;       /* there are windows, be it none: the group has spoken, and the database has */
    bool brokers_away; /* no broker answers */
    rd_kafka_t *rk; /* the reader's, for those who ask the brokers something meanwhile; NULL: there is none */
    int n_asking;   /* so many do so; it is not destroyed before they are done */
    int n_lanes_running;
    int n_handling;      /* lanes that are in feed_begin … feed_end */
    uint64_t generation; /* of the windows: what belongs to an earlier one is nobody's */
    window *windows;
    size_t n_windows;
    int64_t queued_bytes;
    bool is_full;        /* the reader waits until half of the room is free */
    int64_t next_due_ms; /* by feed_now_ms: when to look for events that are due */
    pbus_worker_counts counts;
} feed;

/* false: no memory. */
bool feed_init(feed *f, const worker_config *cfg, const subscription *sub);
void feed_done(feed *f);

/* The application_name of its sessions: what is "reader" or "lane". */
typedef struct feed_name {
    char text[160];
} feed_name;
feed_name feed_session_name(const feed *f, const char *what);

/* A clock that only goes forward. */
int64_t feed_now_ms(void);
int64_t feed_now_us(void);
/* Milliseconds since 1970. */
int64_t feed_wall_ms(void);
/* Waits for `changed`, with the lock held, until that time at most. */
void feed_wait(feed *f, pthread_cond_t *what, int64_t until_ms);
bool feed_cond_init(pthread_cond_t *what);

/* Events are out of memory's accounts: done where they were handled, given back where they were not. Takes the lock. Frees them. */
void feed_finish(feed *f, event *const *events, size_t n, bool done);
/* Whether nothing more may be read: what may be queued is queued, or was, and not half of it is gone yet; or nothing is known of the positions, and what is read
 * would be thrown away. With the lock held. */
bool feed_fill(feed *f);
/* How many of the first still belong to the partitions of this moment. Takes the lock. */
size_t feed_n_current(feed *f, event *const *events, size_t n);
/* Whether the event belongs to the partitions of this moment and nothing is ending. Takes the lock. */
bool feed_wants(feed *f, const event *e);
/* Without a database: an event's handling begins. false: it belongs to other partitions, or nothing is to be begun. Takes the lock. */
bool feed_begin(feed *f, const event *e);
/* It has ended, and what came of it is in the windows. Takes the lock. */
void feed_end(feed *f);
/* Nothing more is begun until partitions are read anew; waits until what is being handled has ended, or the handlers are abandoned, until that
 * time at most. Takes the lock. */
void feed_settle(feed *f, int64_t until_ms);
/* The subscription ends: nothing more is taken up. Takes the lock. */
void feed_stop(feed *f);
/* Takes the lock. */
bool feed_is_stopping(feed *f);
bool feed_is_abandoned(feed *f);
/* A session was lost: what was done by it is not counted on. Takes the lock. */
void feed_lose(feed *f);
/* An event waits, and is due in so many milliseconds. Takes the lock, and wakes a lane. */
void feed_due_in(feed *f, int64_t delay_ms);
/* Adds one to a counter of f->counts. Takes the lock. */
void feed_count(feed *f, uint64_t *counter);

/* e: may be NULL. */
void feed_tell(const feed *f, pbus_notice_kind kind, const event *e, int64_t number, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void feed_tell_place(const feed *f, pbus_notice_kind kind, const char *topic, int32_t partition,
                     int64_t offset, int64_t number, const char *message);

#endif
