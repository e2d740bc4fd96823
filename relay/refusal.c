/* Tells errors that are for good from those that pass; must never name one that a retry or another configuration could mend. */
#include "refusal.h"

#include <stddef.h>
#include <string.h>

/* Numbers beyond the table are error codes, which begin at -1 (UNKNOWN_SERVER_ERROR). */
#define CODE_LEAST RD_KAFKA_RESP_ERR_UNKNOWN
enum { UNCLEAR = 1000, UNCLEAR_OF_TOPIC = 200000 };

static const char unclear_reason[] = "broker_error";

static const refusal_reason refusals[] = {
    [REFUSAL_BEHIND_TOPIC] = {RD_KAFKA_RESP_ERR_NO_ERROR, "behind_topic", false},
    [REFUSAL_TOPIC_MISSING] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic_missing", true},
    [REFUSAL_NO_LEADER] = {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, "no_leader", true},
    [REFUSAL_NOT_ACKNOWLEDGED] = {RD_KAFKA_RESP_ERR_NO_ERROR, "not_acknowledged", true},
    [REFUSAL_BEHIND_KEY] = {RD_KAFKA_RESP_ERR_NO_ERROR, "behind_key", false},
    [REFUSAL_BEHIND_STOP] = {RD_KAFKA_RESP_ERR_NO_ERROR, "topic_stopped", false},
    [REFUSAL_MALFORMED] = {RD_KAFKA_RESP_ERR_NO_ERROR, "malformed_headers", false},
    [REFUSAL_MISFIT] = {RD_KAFKA_RESP_ERR_NO_ERROR, "schema_misfit", false},
    [REFUSAL_BY_POLICY] = {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "policy_violation", true},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "record_too_large", false},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, "record_too_large", false},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, "record_too_large", false},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, "invalid_record", false},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, "invalid_timestamp", false},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "policy_violation", false},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "topic_not_authorized", true},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "topic_invalid", true},
};

/* Answers that pass when partitions move and replicas come back, that are of the producer, or of how it is configured. */
static const rd_kafka_resp_err_t of_no_record[] = {
    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
};

/* What brokers answer when a producer asks for its id, and never of a topic. */
static bool is_of_producer(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER:
        return true;
    default:
        return false;
    }
}

static rd_kafka_resp_err_t code_of(int unclear)
{
    return unclear - (unclear >= UNCLEAR_OF_TOPIC ? UNCLEAR_OF_TOPIC : UNCLEAR) + CODE_LEAST;
}

refusal_reason refusal_get(int refusal)
{
    if (refusal < UNCLEAR)
        return refusals[refusal];
    return (refusal_reason){code_of(refusal), unclear_reason, refusal >= UNCLEAR_OF_TOPIC};
}

bool refusal_is_unclear(int refusal)
{
    return refusal >= UNCLEAR;
}

int refusal_of_whole_topic(int unclear)
{
    return UNCLEAR_OF_TOPIC + code_of(unclear) - CODE_LEAST;
}

int refusal_of_topic_named(const char *reason, rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].of_topic && strcmp(refusals[i].reason, reason) == 0)
            return (int)i;
    bool unclear = strcmp(reason, unclear_reason) == 0 && err != RD_KAFKA_RESP_ERR_NO_ERROR;
    return unclear ? UNCLEAR_OF_TOPIC + err - CODE_LEAST : REFUSAL_BEHIND_TOPIC;
}

int refusal_of_answer(rd_kafka_resp_err_t err)
{
    int refusal = refusal_of(err);
    if (refusal >= 0 || err < CODE_LEAST || err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return refusal;
    for (size_t i = 0; i < sizeof of_no_record / sizeof of_no_record[0]; i++)
        if (of_no_record[i] == err)
            return -1;
    return UNCLEAR + (int)err - CODE_LEAST;
}

int refusal_at_once(rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return REFUSAL_TOPIC_MISSING;
    if (err == RD_KAFKA_RESP_ERR_POLICY_VIOLATION) /* which forbids to create it */
        return REFUSAL_BY_POLICY;
    int refusal = refusal_of(err);
    if (refusal >= 0 || err < CODE_LEAST || err == RD_KAFKA_RESP_ERR_NO_ERROR || is_of_producer(err))
        return refusal;
    return UNCLEAR_OF_TOPIC + (int)err - CODE_LEAST;
}

int refusal_of(rd_kafka_resp_err_t err)
{
    for (size_t i = REFUSAL_FIRST_ERROR; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].err == err)
            return (int)i;
    return -1;
}
