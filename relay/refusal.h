/* Refusals: the errors after which no broker will ever take a record as it is, and those that do not say so, with the names that users see. */
#ifndef POSTBUS_RELAY_REFUSAL_H
#define POSTBUS_RELAY_REFUSAL_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

typedef struct refusal_reason {
    rd_kafka_resp_err_t err;
    const char *reason; /* postbus.parked.reason */
    bool of_topic;      /* it says nothing about the record: all of the topic's are refused */
} refusal_reason;

enum {
    REFUSAL_BEHIND_TOPIC, /* others of its topic wait, and it is not known what for, or that is over */
    REFUSAL_TOPIC_MISSING,
    REFUSAL_NO_LEADER,
    REFUSAL_NOT_ACKNOWLEDGED,
    REFUSAL_BEHIND_KEY,
    REFUSAL_BEHIND_STOP,
    REFUSAL_MALFORMED,
    REFUSAL_MISFIT,
    REFUSAL_BY_POLICY,
    REFUSAL_FIRST_ERROR
};

/* Refusals are numbers; this is what one says. */
refusal_reason refusal_get(int refusal);

/* A refusal for good; -1: trying again can help, or the configuration is at fault and not the record. */
int refusal_of(rd_kafka_resp_err_t err);
/* Likewise, or one that is unclear: a broker answered, and its error does not tell whether the record is at fault, its topic or the broker. */
int refusal_of_answer(rd_kafka_resp_err_t err);
/* Likewise of what librdkafka says before a record has a partition: a broker's error is what was answered last when brokers were asked about the topic, so it is
 * the topic's, be it one that passes. */
int refusal_at_once(rd_kafka_resp_err_t err);
bool refusal_is_unclear(int refusal);
/* The one of a whole topic that is called so in postbus.parked; REFUSAL_BEHIND_TOPIC: there is none. */
int refusal_of_topic_named(const char *reason, rd_kafka_resp_err_t err);
/* An unclear one, now that the fault is known not to be the record's. */
int refusal_of_whole_topic(int unclear);

#endif
