/* What the worker's tests stand on: one PostgreSQL and one Kafka for the program; for each test a fresh database with the subscribers' side and a
 * table of effects, a topic of its own, and what the worker told. */
#ifndef POSTBUS_TEST_WORKER_STAGE_H
#define POSTBUS_TEST_WORKER_STAGE_H

#include "cmocka_all.h"

#include <postbus/worker.h>
#include <pthread.h>

#include "kafka_fixture.h"
#include "pg_fixture.h"
#include "pg_query.h"
#include "wait_until.h"

enum { STAGE_DEADLINE_MS = 120000, STAGE_STOP_MS = 60000 };

typedef struct stage {
    char *topic;
    char *conninfo; /* of the role that the worker has */
    PGconn *conn;   /* a superuser's */
    pbus_worker *worker;
    pthread_mutex_t lock;
    int n_notices[16]; /* by kind */
    char last_message[16][1200];
    bool gate_open; /* of stage_gated */
    int n_at_gate;
    pbus_error err;
} stage;

extern pg_fixture *stage_server;
extern kafka_fixture *stage_kafka;

int stage_group_setup(void **state);
int stage_group_teardown(void **state);
int stage_setup(void **state);
/* The same with a topic that is there; taken over. */
stage *stage_new(char *topic);
int stage_teardown(void **state);

#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)

/* A database with the subscribers' side and the table effect. */
void stage_create_database(const char *database);

/* Makes the stage's database a publisher's, too. */
void stage_create_outbox(stage *s);

/* Produces a record and waits until it is there. type, id: headers; key, value, type and id may be NULL. */
void stage_produce(const char *topic, const char *key, const char *value, const char *type, const char *id);
/* The same of a value in bytes. */
void stage_produce_bytes(const char *topic, const char *key, const void *value, size_t size,
                         const char *type);
/* One with these headers. */
void stage_produce_with(const char *topic, const char *value, const pbus_record_header *headers, size_t n);
/* The same as the first in two steps, for many. */
void stage_produce_one(const char *topic, const char *key, const char *value, const char *type,
                       const char *id);
void stage_produce_flush(void);
/* n records with values "KEY:1", "KEY:2" … of n_keys keys in turn, each with an id. */
void stage_produce_many(const char *topic, int n, int n_keys);

/* Starts the worker with subscriptions of the stage's topic; kafka settings that make groups quick. */
void stage_start(stage *s, const pbus_subscription *list, size_t n);
void stage_stop(stage *s);
pbus_worker_options stage_options(stage *s, const pbus_subscription *list, size_t n);

/* A subscription "main" of the stage's topic. */
pbus_subscription stage_subscription(stage *s, pbus_handler *handler);

/* Handlers. stage_insert notes the effect; stage_gated does so and then waits for the gate, where the value begins with "wait". arg: the stage. */
pbus_outcome stage_insert(const pbus_delivery *event, PGconn *tx, void *arg);
pbus_outcome stage_gated(const pbus_delivery *event, PGconn *tx, void *arg);
void stage_open_gate(stage *s);
/* Notes the effects of all by one COPY. Keys and values are text without tabs, line ends and backslashes. */
pbus_outcome stage_copy(const pbus_delivery *const *events, size_t n, PGconn *tx, void *arg);

/* Waits until so many records were read, and not handled yet, of a worker with one subscription. */
void stage_expect_queued(stage *s, uint64_t n);

/* Waits until a query gives this number. */
void stage_expect_soon(stage *s, int64_t expected, const char *sql);
/* Waits until n records are done with. */
void stage_expect_settled(stage *s, int n);
/* Waits until nothing waits; then each of n events had its effect once, and each key kept its order; values are "KEY:NUMBER…". */
void stage_expect_exactly(stage *s, int n);
void stage_expect_notice(stage *s, pbus_notice_kind kind);
int stage_notices(stage *s, pbus_notice_kind kind);
/* Waits until a handler stage_gated waits. */
void stage_expect_at_gate(stage *s);

#endif
