/* What is on its way to each partition of a topic, and since when it has had no answer. */
#ifndef POSTBUS_RELAY_FLIGHTS_H
#define POSTBUS_RELAY_FLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slot a partition, and two before them. */
enum {
    FLIGHT_ALONE,    /* sent alone: librdkafka chooses the partition later */
    FLIGHT_UNPLACED, /* likewise: the first record of a producer, before it knows the topic's partitions */
    FLIGHT_PLACED,   /* partition 0 */
};

/* What became of records, in a partition or in all of the topic's. */
typedef struct answers {
    int64_t
        refused_since_us; /* since when records have been refused unclearly (refusal.h), and none taken; 0: none was */
    uint64_t n_took, n_refused; /* of those that came for the first time */
} answers;

typedef struct flight {
    size_t n;         /* records on their way */
    bool failed;      /* the last ones came back without an answer of a broker; since_us still counts */
    bool stuck;       /* why its topic stalled */
    int64_t since_us; /* when the partition was last heard of, or when a record went to it that had none */
    int64_t failed_us;
    answers answers;
} flight;

typedef struct flights {
    flight *slots;
    int n_slots;
    int n_stuck; /* partitions */
    answers all;
} flights;

/* Without memory nothing is noted: the topic does not count as stalled then. Returns the slot the record is noted in, for the two functions below; -1: in none. */
int flights_sent(flights *f, int slot, int64_t now_us);
/* A broker answered, be it with an error. */
void flights_answered(flights *f, int slot, int64_t now_us);
/* A partition took a record, which came for the first time or again. */
void flights_took(flights *f, int32_t partition, bool first_time);
/* It refused one, and it is not clear why. */
void flights_refused(flights *f, int32_t partition, bool first_time, int64_t now_us);
/* NULL: nothing is known of that partition. */
const answers *flights_answers(const flights *f, int32_t partition);
/* What it has refused unclearly says nothing any more. */
void flights_forget_refusals(flights *f, int32_t partition);
/* It came back, and may be sent again: that is not an answer. */
void flights_failed(flights *f, int slot, int64_t now_us);
/* Since when the slot that waits longest has waited; CLOCK_NEVER: nothing is on its way. */
int64_t flights_since(const flights *f);
/* Records on their way by the first producer, or alone. */
size_t flights_count(const flights *f, bool alone);

/* Marks what has waited since before until_us. */
void flights_mark_stuck(flights *f, int64_t until_us);
/* A record reached a partition: it is stuck no longer. */
void flights_unmark(flights *f, int32_t partition);
/* What came back says nothing about what is sent from now on. */
void flights_begin_anew(flights *f);
void flights_done(flights *f);

#endif
