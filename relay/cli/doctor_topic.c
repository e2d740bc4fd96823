/* Judges a topic by what is known of it; never asks anybody. */
#include "doctor_topic.h"

#include <inttypes.h>

#define RECORD_OVERHEAD_BYTES 2048 /* the batch's head, the lengths, the type and id headers */

/* Whether it exists is not known. */
static void tell_unknown(doctor_report *report, const topic_facts *t)
{
    char found[400];
    snprintf(found, sizeof found,
             t->refused ? "%s may not be described by this user, to whom brokers do not say whether it exists"
                        : "%s is not among the topics, and the brokers did not answer when asked for it",
             t->name);
    doctor_report_add(report, doctor_check_find("topic.exists"), t->refused ? DOCTOR_ERROR : DOCTOR_WARNING,
                      found, NULL,
                      t->refused ? "Grant DESCRIBE on the topic to this user; WRITE, which the relay needs, "
                                   "includes it."
                                 : "Run the doctor again; if it stays so, see the brokers' logs.");
}

static void judge_existence(doctor_report *report, const topic_facts *t)
{
    if (t->refused || t->unanswered)
        tell_unknown(report, t);
    else if (!t->exists && t->created)
        doctor_tell(report, "topic.exists", DOCTOR_OK, "%s does not exist; the relay creates it", t->name);
    else if (!t->exists)
        doctor_tell(report, "topic.exists", DOCTOR_ERROR, "%s does not exist%s", t->name,
                    t->waits ? ", and events wait for it" : "");
    else if (t->n_leaderless > 0)
        doctor_tell(report, "topic.exists", DOCTOR_ERROR, "%s: %d of its %d partitions have no leader",
                    t->name, t->n_leaderless, t->n_partitions);
    else
        doctor_tell(report, "topic.exists", DOCTOR_OK, "%s has %d partitions", t->name, t->n_partitions);
}

static void judge_replication(doctor_report *report, const topic_facts *t)
{
    static const char check[] = "topic.replication";
    if (t->min_insync > t->replicas)
        doctor_tell(report, check, DOCTOR_ERROR,
                    "%s: min.insync.replicas is %" PRId64
                    " and there are %d replicas: with acks=all no record is ever accepted",
                    t->name, t->min_insync, t->replicas);
    else if (t->replicas == 1)
        doctor_tell(report, check, DOCTOR_WARNING,
                    "%s has 1 replica: what was acknowledged is lost with that broker's disk", t->name);
    else if (t->min_insync < 2)
        doctor_tell(report, check, DOCTOR_WARNING,
                    "%s: min.insync.replicas is %" PRId64
                    ": acks=all is content with the leader alone while the %d other replicas are behind",
                    t->name, t->min_insync, t->replicas - 1);
    else if (t->min_insync == t->replicas)
        doctor_tell(report, check, DOCTOR_WARNING,
                    "%s: min.insync.replicas is %" PRId64
                    ", as many as there are replicas: with one broker away it takes nothing",
                    t->name, t->min_insync);
    else
        doctor_tell(report, check, DOCTOR_OK,
                    "%s has %d replicas, of which %" PRId64 " must have a record; acks=all", t->name,
                    t->replicas, t->min_insync);
}

static void judge_size(doctor_report *report, const topic_facts *t, const event_limits *limits)
{
    if (!limits) {
        doctor_tell(report, "topic.size", DOCTOR_SKIPPED,
                    "%s takes records of %" PRId64
                    " bytes; what the largest event has is known by the database",
                    t->name, t->max_message_bytes);
        return;
    }
    int64_t all = limits->value + limits->key + limits->headers + RECORD_OVERHEAD_BYTES;
    if (t->max_message_bytes < limits->value)
        doctor_tell(report, "topic.size", DOCTOR_ERROR,
                    "%s: max.message.bytes is %" PRId64 ", below the %" PRId64 " of max_value_bytes", t->name,
                    t->max_message_bytes, limits->value);
    else if (t->max_message_bytes < all)
        doctor_tell(report, "topic.size", DOCTOR_WARNING,
                    "%s: max.message.bytes is %" PRId64 ", below the %" PRId64
                    " that the largest value, key and headers come to",
                    t->name, t->max_message_bytes, all);
    else
        doctor_tell(report, "topic.size", DOCTOR_OK,
                    "%s takes records of %" PRId64 " bytes, the largest event has %" PRId64, t->name,
                    t->max_message_bytes, all);
}

static void judge_retention(doctor_report *report, const topic_facts *t)
{
    if (t->retention_ms < 0)
        doctor_tell(report, "topic.retention", DOCTOR_OK, "%s keeps records for ever", t->name);
    else if (t->waits && t->oldest_s > t->retention_ms / 1000)
        doctor_tell(report, "topic.retention", DOCTOR_WARNING,
                    "%s keeps records for %" PRId64 " s, and its oldest waiting event is %" PRId64 " s old",
                    t->name, t->retention_ms / 1000, t->oldest_s);
    else
        doctor_tell(report, "topic.retention", DOCTOR_OK, "%s keeps records for %" PRId64 " s", t->name,
                    t->retention_ms / 1000);
}

static void judge_compaction(doctor_report *report, const topic_facts *t)
{
    if (t->compacted && !t->seen)
        doctor_tell(report, "topic.compaction", DOCTOR_OK,
                    "%s is compacted, and no event of it is known: each will need a key", t->name);
    else if (t->compacted && t->keyless)
        doctor_tell(report, "topic.compaction", DOCTOR_ERROR, "%s is compacted and has events without a key",
                    t->name);
    else
        doctor_tell(report, "topic.compaction", DOCTOR_OK, "%s is %s", t->name,
                    t->compacted ? "compacted, and its events have keys" : "not compacted");
}

static void judge_election(doctor_report *report, const topic_facts *t)
{
    if (t->unclean)
        doctor_tell(report, "topic.election", DOCTOR_WARNING,
                    "%s: unclean.leader.election.enable is true: a replica that is behind may become leader",
                    t->name);
    else
        doctor_tell(report, "topic.election", DOCTOR_OK, "%s: only an in-sync replica becomes leader",
                    t->name);
}

void doctor_judge_topic(doctor_report *report, const topic_facts *t, const event_limits *limits)
{
    judge_existence(report, t);
    if (!t->exists)
        return;
    if (!t->described) {
        doctor_tell(report, "topic.replication", DOCTOR_SKIPPED,
                    "%s: its settings may not be read; grant DescribeConfigs on the topic to this user",
                    t->name);
        return;
    }
    judge_replication(report, t);
    judge_size(report, t, limits);
    judge_retention(report, t);
    judge_compaction(report, t);
    judge_election(report, t);
}
