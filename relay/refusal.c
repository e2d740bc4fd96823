/* Tells errors that are for good from those that pass; must never name one that a retry or another configuration could mend. */
#include "refusal.h"

#include <stddef.h>

const refusal_reason refusals[] = {
    [REFUSAL_TOPIC_MISSING] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic_missing", true},
    [REFUSAL_NO_LEADER] = {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, "no_leader", true},
    [REFUSAL_NOT_ACKNOWLEDGED] = {RD_KAFKA_RESP_ERR_NO_ERROR, "not_acknowledged", true},
    [REFUSAL_BEHIND_KEY] = {RD_KAFKA_RESP_ERR_NO_ERROR, "behind_key", false},
    [REFUSAL_BEHIND_STOP] = {RD_KAFKA_RESP_ERR_NO_ERROR, "topic_stopped", false},
    [REFUSAL_MALFORMED] = {RD_KAFKA_RESP_ERR_NO_ERROR, "malformed_headers", false},
    [REFUSAL_MISFIT] = {RD_KAFKA_RESP_ERR_NO_ERROR, "schema_misfit", false},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "record_too_large", false},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, "record_too_large", false},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, "record_too_large", false},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, "invalid_record", false},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, "invalid_timestamp", false},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "policy_violation", false},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "topic_not_authorized", true},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "topic_invalid", true},
};

int refusal_of(rd_kafka_resp_err_t err)
{
    for (size_t i = REFUSAL_FIRST_ERROR; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].err == err)
            return (int)i;
    return -1;
}
