/* Faults of the brokers' side, each brought about for real at one broker. */
#include "examined.h"

#include <stdio.h>
#include <stdlib.h>

#include "kafka_fixture.h"

static kafka_fixture *kafka;
static PGconn *owner;

static int open_group(void **state)
{
    int code = stage_open(state);
    kafka = kafka_fixture_shared();
    return code;
}

static int close_group(void **state)
{
    PQfinish(owner);
    kafka_fixture_free(kafka);
    return stage_close(state);
}

/* A database in which the only event is one of a new topic with these settings. */
static char *set_up(const char *database, const char *const *config, const char *event)
{
    char *topic = kafka_fixture_new_topic(kafka, database, 2, config);
    PQfinish(owner);
    stage_database(database);
    stage_expect(0, POSTBUS("migrate"));
    owner = stage_connect();
    pg_run(owner, event, topic);
    setenv("POSTBUS_BROKERS", kafka_fixture_brokers(kafka), 1);
    return topic;
}

#define WITH_KEY "SELECT postbus.publish('%s', 'v', 'k')"
#define WITHOUT_KEY "SELECT postbus.publish('%s', 'v')"

static void a_topic_of_one_broker_is_found_and_its_single_replica_told(void **state)
{
    (void)state;
    char *topic = set_up("plain", NULL, WITHOUT_KEY);
    EXAMINE(4, "--older-than", "60"); /* no relay leads */
    expect_finding("kafka.brokers", "ok", "1 brokers");
    expect_finding("kafka.tls", "ok", "this machine");
    expect_finding("topic.exists", "ok", topic);
    expect_finding("topic.replication", "warning", "1 replica");
    expect_finding("topic.size", "ok", topic);
    expect_finding("topic.retention", "ok", topic);
    expect_finding("topic.compaction", "ok", "not compacted");
    expect_finding("topic.election", "ok", topic);
    free(topic);
}

static void what_transactions_need_is_looked_at_where_they_are_used(void **state)
{
    (void)state;
    free(set_up("exact", NULL, WITHOUT_KEY));
    EXAMINE(4, "--older-than", "60");
    expect_finding("kafka.transactions", "ok", "not used");
    setenv("POSTBUS_DELIVERY", "exactly_once", 1);
    EXAMINE(4, "--older-than", "60");
    unsetenv("POSTBUS_DELIVERY");
    expect_finding("kafka.transactions", "ok", "can be read");
    stage_does_not_say("DescribeConfigs");
}

static void brokers_that_drop_positions_too_early_are_told(void **state)
{
    (void)state;
    static const char *const settings[] = {"offsets.retention.minutes=719", NULL};
    kafka_fixture *hasty = kafka_fixture_new(settings);
    free(set_up("hasty", NULL, "SELECT '%s'"));
    setenv("POSTBUS_DELIVERY", "exactly_once", 1);
    EXAMINE(4, "--brokers", kafka_fixture_brokers(hasty));
    expect_finding("kafka.transactions", "error", "is 719, below 720");
    unsetenv("POSTBUS_DELIVERY");
    kafka_fixture_free(hasty);
}

/* As on the day of the installation: no event was published yet. */
static void a_topic_without_events_is_looked_at_where_it_is_named(void **state)
{
    (void)state;
    static const char *const all[] = {"min.insync.replicas=2", "max.message.bytes=900000",
                                      "cleanup.policy=compact", NULL};
    char *topic = set_up("fresh", all, "SELECT '%s'"), *missing = kafka_fixture_new_name("unmade"), text[300];
    EXAMINE(0, "--older-than", "60");
    expect_finding("kafka.brokers", "ok", "1 brokers");
    expect_finding("topic.exists", "skipped", "--topic");
    EXAMINE(4, "--topic", topic, "--topic", missing, "--topic", topic);
    snprintf(text, sizeof text, "%s has 2 partitions", topic);
    expect_finding("topic.exists", "ok", text);
    snprintf(text, sizeof text, "%s does not exist", missing);
    expect_finding("topic.exists", "error", text);
    expect_finding("topic.replication", "error", "no record is ever accepted");
    expect_finding("topic.size", "error", "below the 1000000 of max_value_bytes");
    expect_finding("topic.compaction", "ok", "each will need a key");
    stage_does_not_say("no topic has waiting or recent events");
    EXAMINE(4, "--database", "host=/nowhere", "--topic", topic);
    expect_finding("topic.replication", "error", "no record is ever accepted");
    expect_finding("topic.size", "skipped", "takes records of 900000 bytes");
    free(topic);
    free(missing);
}

static void a_missing_topic_is_told_and_not_created(void **state)
{
    (void)state;
    free(set_up("missing", NULL, WITH_KEY));
    char *missing = kafka_fixture_new_name("nowhere"), text[300];
    pg_run(owner, WITH_KEY, missing);
    snprintf(text, sizeof text, "%s does not exist, and events wait for it", missing);
    for (int i = 0; i < 2; i++) {
        EXAMINE(4, "--older-than", "60");
        expect_finding("topic.exists", "error", text);
    }
    setenv("POSTBUS_CREATE_TOPICS", "true", 1);
    EXAMINE(4, "--older-than", "60");
    expect_finding("topic.exists", "ok", "the relay creates it");
    unsetenv("POSTBUS_CREATE_TOPICS");
    free(missing);
}

static void settings_that_lose_or_refuse_records_are_told(void **state)
{
    (void)state;
    static const char *const all[] = {"min.insync.replicas=2",  "max.message.bytes=900000",
                                      "cleanup.policy=compact", "unclean.leader.election.enable=true",
                                      "retention.ms=60000",     NULL};
    free(set_up("faults", all, WITHOUT_KEY));
    pg_run(owner, "UPDATE postbus.outbox SET created_at = now() - interval '1 hour'");
    EXAMINE(4, "--older-than", "60");
    expect_finding("topic.replication", "error", "no record is ever accepted");
    expect_finding("topic.size", "error", "below the 1000000 of max_value_bytes");
    expect_finding("topic.compaction", "error", "has events without a key");
    expect_finding("topic.election", "warning", "unclean.leader.election.enable is true");
    expect_finding("topic.retention", "warning",
                   "keeps records for 60 s, and its oldest waiting event is 36");
    expect_finding("relay.backlog", "warning", "1 events are pending, the oldest for 36");
}

static void settings_that_are_just_right_are_not(void **state)
{
    (void)state;
    static const char *const all[] = {"cleanup.policy=compact,delete", "max.message.bytes=1000001",
                                      "retention.ms=-1", NULL};
    free(set_up("right", all, WITH_KEY));
    EXAMINE(4, "--older-than", "60");
    expect_finding("topic.compaction", "ok", "its events have keys");
    expect_finding("topic.retention", "ok", "for ever");
    expect_finding("topic.size", "warning", "below the 10");
    pg_run(owner, "UPDATE postbus.setting SET value = 500000 WHERE name = 'max_value_bytes'");
    EXAMINE(4, "--older-than", "60");
    expect_finding("topic.size", "ok", "takes records of 1000001 bytes");
}

static void brokers_that_are_not_there_are_told_and_topics_skipped(void **state)
{
    (void)state;
    free(set_up("away", NULL, WITH_KEY));
    EXAMINE(4, "--brokers", "127.0.0.1:1", "--kafka", "sasl.password=geheim");
    expect_finding("kafka.brokers", "error", "127.0.0.1:1");
    expect_finding("topic.exists", "skipped", "no broker was reached");
    stage_does_not_say("geheim");
    EXAMINE(4, "--database", "host=/nowhere");
    expect_finding("kafka.brokers", "ok", "1 brokers");
    expect_finding("topic.exists", "skipped", "known by the database");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_of_one_broker_is_found_and_its_single_replica_told),
        cmocka_unit_test(what_transactions_need_is_looked_at_where_they_are_used),
        cmocka_unit_test(brokers_that_drop_positions_too_early_are_told),
        cmocka_unit_test(a_topic_without_events_is_looked_at_where_it_is_named),
        cmocka_unit_test(a_missing_topic_is_told_and_not_created),
        cmocka_unit_test(settings_that_lose_or_refuse_records_are_told),
        cmocka_unit_test(settings_that_are_just_right_are_not),
        cmocka_unit_test(brokers_that_are_not_there_are_told_and_topics_skipped),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
