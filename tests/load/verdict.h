/* Compares what was committed with what the topics hold. */
#ifndef POSTBUS_LOAD_VERDICT_H
#define POSTBUS_LOAD_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An event that the tables say is committed. */
typedef struct truth_event {
    uint64_t token;    /* names the event: unique among all that were ever attempted */
    uint64_t stream;   /* stream_hash() of topic and key */
    uint64_t identity; /* bytes_hash() of the event id's text */
    int64_t seq;       /* its place among the events of its stream; -1: the event has no key, so no place */
} truth_event;

/* A record of a topic. Records of one partition are given in the order of their offsets. */
typedef struct log_record {
    uint64_t token;
    uint64_t stream;
    uint64_t identity;
    uint32_t place; /* which partition of which topic */
} log_record;

/* With the ranks of a stream being 0, 1, 2 … over its events that appear in the log at all, in the order of
 * seq: overtaken     a record's rank is above every rank that could be new: an event appeared before an older
 * one of its key broken_replay a record's rank is more than one above that of the stream's record before it,
 * and no event was overtaken: after a replayed event the log did not go on with the event after it A
 * duplicate that is part of a replay from some older event onwards is neither. */
typedef struct verdict {
    int64_t events;
    int64_t records;
    int64_t lost;
    int64_t extra;
    int64_t overtaken;
    int64_t broken_replay;
    int64_t duplicates;
    int64_t altered;   /* topic, key or event id of a record is not that of its event */
    int64_t scattered; /* records of a stream that are not in the partition of its first one */
    int64_t ambiguous; /* committed events with the same stream and seq: the load itself is at fault */
    uint64_t first_lost, first_extra, first_overtaken; /* tokens, for the one who looks into it */
} verdict;

uint64_t bytes_hash(uint64_t start, const void *bytes, size_t size);
uint64_t stream_hash(const char *topic, const void *key, size_t key_size);

/* Sorts truth (by stream and seq); false only without memory. */
bool verdict_reach(truth_event *truth, size_t n_truth, const log_record *log, size_t n_log, verdict *out);

/* Nothing lost, extra, misordered or altered. Duplicates are for the caller to judge. */
bool verdict_is_clean(const verdict *v);

#endif
