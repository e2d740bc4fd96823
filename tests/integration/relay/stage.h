/* The stage of a relay's test: a server and a broker for the program, and for each test an outbox, a topic and relays. */
#ifndef POSTBUS_TEST_RELAY_STAGE_H
#define POSTBUS_TEST_RELAY_STAGE_H

#include "kafka_fixture.h"
#include "pg_fixture.h"
#include "proc_fixture.h"
#include "topic_reader.h"

#include <stdbool.h>

enum { SOON_MS = 120000 };

extern pg_fixture *stage_pg;
extern kafka_fixture *stage_kafka;

/* Group fixtures: with the broker of the run, or with one that the program may stop. */
int stage_open(void **state);
int stage_open_with_own_broker(void **state);
/* For a group fixture of the program's own. */
int stage_open_with(kafka_fixture *kafka);
int stage_close(void **state);

/* A database with a fresh outbox. Relays connect to it as a role that has postbus_relay and nothing else. */
typedef struct outbox {
    char database[32];
    PGconn *conn;   /* a superuser's */
    char *conninfo; /* the relay's */
    char *topic;    /* one that exists, with one partition */
} outbox;

outbox *outbox_new(void);
/* Takes the topic. */
outbox *outbox_new_of(char *topic);
/* In a database of another encoding. */
outbox *outbox_new_in(const char *encoding);
void outbox_free(outbox *o);
PGconn *outbox_connect(const outbox *o);

/* Publishes n events by one statement; key NULL: of five keys in turn. */
void publish(PGconn *conn, const char *topic, const char *key, int n);
/* Likewise, of five keys in turn; number `large` (0: none) has 30,000 bytes. */
void publish_with(const outbox *o, int n, int large);
/* Wishes all parked events to be sent again. */
void redrive_all(const outbox *o);

/* Starts a relay with further flags (ends with NULL; NULL = none). */
proc_fixture *relay_start(const outbox *o, const char *const *flags);
/* Starts one that dies at a named point (failpoint.h). */
proc_fixture *relay_start_crashing(const outbox *o, const char *point, const char *const *flags);
/* Starts one that stops (SIGSTOP) at a named point, until SIGCONT. */
proc_fixture *relay_start_freezing(const outbox *o, const char *point, const char *const *flags);
/* Starts one and waits until it leads. */
proc_fixture *relay_start_leading(const outbox *o, const char *const *flags);
/* Starts one whose statement that takes the lead waits for a lock for longer than an interval of SQL, and then goes on. */
proc_fixture *relay_start_held_up(const outbox *o, const char *const *flags, const char *longer_than);
/* Takes the leader's lock as a stranger, who publishes nothing. PQfinish gives it up. */
PGconn *outbox_take_lead(const outbox *o);
/* Ends it by SIGTERM and fails the test unless it ends cleanly. */
void relay_stop(proc_fixture *relay);
/* Kills it. */
void relay_kill(proc_fixture *relay);
/* Fails the test where the relay has ever had more memory (VmHWM). Sanitizers keep what was freed: with them it is only printed. */
void expect_peak_below(proc_fixture *relay, const char *of, long most_mib);
/* The value of a key in the line the relay ends with: counted("safety_found"). */
long relay_counted(proc_fixture *relay, const char *key);

/* Waits until nothing is pending or parked. */
void expect_drained(const outbox *o);
bool is_drained(const outbox *o, int deadline_ms);
/* Waits until nothing is pending; events may be parked. */
void expect_nothing_pending(const outbox *o);
/* Waits until as many have been published and settled as this outbox has had; cheap where there are many. */
void expect_published(const outbox *o, long n);
/* Waits until a query's first column is not zero. */
void expect_sql(PGconn *conn, const char *sql);

typedef struct told {
    size_t n_records, n_repeated;
} told;

/* Says how the relay got on, position by position: where events were lost or came again, it tells which read it was. */
void tell_progress(const outbox *o);

/* Compares a topic with the committed events of that topic: each is there with its key and value, nothing else is, and each key's first
 * records come in the order of ids. */
told expect_all_arrived(const outbox *o, const char *topic);
/* The same, and no event came twice. */
void expect_each_arrived_once(const outbox *o, const char *topic);

/* As a reader of committed records sees it. */
void expect_each_committed_once(const outbox *o, const char *topic);

/* How most tests end: all is published, each event of the outbox's topic came once, the relay stops cleanly; frees both. */
void finish(outbox *o, proc_fixture *relay);

#endif
