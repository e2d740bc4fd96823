/* Talks to the transaction coordinator on a thread of its own: librdkafka's calls for that block, and cannot safely be cut short and resumed. */
#ifndef POSTBUS_RELAY_COORDINATOR_H
#define POSTBUS_RELAY_COORDINATOR_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct coordinator coordinator;

typedef enum coordinator_job {
    COORDINATOR_START,  /* fence all others, read the position, and open the first transaction */
    COORDINATOR_COMMIT, /* commit with a position, and open the next transaction */
    COORDINATOR_ABORT,  /* abort, and open the next transaction */
} coordinator_job;

/* Where a group of consumers that no consumer joins stands: the relay's own number of its last committed transaction. */
typedef struct coordinator_position {
    bool known; /* Kafka holds one */
    int64_t n;
    char stamp[40];
} coordinator_position;

typedef struct coordinator_answer {
    bool ok;
    bool
        fenced; /* another producer has the transactional id now, or the brokers ended a transaction that took too long */
    rd_kafka_resp_err_t err;   /* not ok: why */
    rd_kafka_resp_err_t cause; /* of COORDINATOR_ABORT: what the transaction failed of, if librdkafka knows */
    char reason[256];
    coordinator_position position; /* of COORDINATOR_START */
} coordinator_answer;

/* rk stays its caller's until coordinator_end. The descriptor (an eventfd, which it duplicates) is written to when an answer is there. NULL: no
 * memory, or no thread. */
coordinator *coordinator_new(rd_kafka_t *rk, const char *group, int event_fd);
/* One job at a time. position: of COORDINATOR_COMMIT. */
void coordinator_ask(coordinator *c, coordinator_job job, const coordinator_position *position);
/* True once an answer is there; each is taken once. Reports of records must be served meanwhile. */
bool coordinator_answered(coordinator *c, coordinator_answer *out);
/* What made COORDINATOR_START wait last. */
rd_kafka_resp_err_t coordinator_waits_for(coordinator *c);
/* Ends it, and destroys the producer with it: now, or, where false is returned, when a call that is under way returns; then the hold that the caller has
 * taken of its gate is released with it. No record may be in flight. */
bool coordinator_end(coordinator *c);

#endif
