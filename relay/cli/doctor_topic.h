/* What is known of a topic, and what is wrong with it. */
#ifndef POSTBUS_CLI_DOCTOR_TOPIC_H
#define POSTBUS_CLI_DOCTOR_TOPIC_H

#include "doctor.h"

typedef struct topic_facts {
    const char *name;
    bool seen;            /* it has waiting or recent events; else what is said of events is not known */
    bool waits;           /* it has pending or parked events */
    int64_t oldest_s;     /* the age of the oldest of them */
    bool keyless;         /* it has events without a key */
    bool refused;         /* we may not Describe it: brokers do not say then whether it exists */
    bool unanswered;      /* it is not among all topics, and the brokers did not answer the question for it */
    bool exists, created; /* created: the relay would create it */
    int n_partitions, n_leaderless;
    int replicas;                                        /* the fewest of any partition */
    bool described;                                      /* what follows is known */
    int64_t min_insync, max_message_bytes, retention_ms; /* retention_ms -1: for ever */
    bool compacted, unclean;
} topic_facts;

typedef struct event_limits {
    int64_t value, key, headers; /* postbus.setting */
} event_limits;

/* Tells a finding of each of the topic.* checks. limits NULL: they are not known. */
void doctor_judge_topic(doctor_report *report, const topic_facts *topic, const event_limits *limits);

#endif
