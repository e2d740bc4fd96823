/* The doctor as a user to whom the brokers do not tell everything: what it may not see it must not take for missing. */
#include "examined.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kafka_admin.h"
#include "kafka_fixture.h"

static kafka_fixture *kafka;

/* These brokers make a topic for whoever asks for one, so that they show who asks for that. */
static int open_group(void **state)
{
    static const char *const arguments[] = {"--listener", "SASL:SASL_PLAINTEXT", NULL};
    static const char *const settings[] = {
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",
        "auto.create.topics.enable=true",
        "sasl.enabled.mechanisms=PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule "
        "required user_a=\"geheim\" user_b=\"geheim\";",
        NULL};
    int code = stage_open(state);
    kafka = kafka_fixture_new_listening(arguments, settings);
    return code;
}

static int close_group(void **state)
{
    kafka_fixture_free(kafka);
    return stage_close(state);
}

static void allow(const char *user, int resource, const char *name, int operation)
{
    char message[256];
    if (!kafka_admin_allow(kafka_fixture_brokers(kafka), user, resource, name, operation, message,
                           sizeof message))
        fail_msg("%s", message);
}

/* An event of each of these topics waits. */
static void set_up(const char *database, const char *const *topics)
{
    stage_database(database);
    stage_expect(0, POSTBUS("migrate"));
    PGconn *owner = stage_connect();
    for (; *topics; topics++)
        pg_run(owner, "SELECT postbus.publish('%s', 'v', 'k')", *topics);
    PQfinish(owner);
}

static void examine_as(const char *user)
{
    char name[40], *brokers = kafka_fixture_listener(kafka, "SASL");
    snprintf(name, sizeof name, "sasl.username=%s", user);
    EXAMINE(4, "--brokers", brokers, "-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanism=PLAIN",
            "-X", name, "-X", "sasl.password=geheim");
    free(brokers);
}

static void expect_topic(const char *level, const char *format, const char *topic)
{
    char text[400];
    snprintf(text, sizeof text, format, topic); /* NOLINT(clang-diagnostic-format-nonliteral) */
    expect_finding("topic.exists", level, text);
}

static void a_topic_that_may_not_be_described_is_not_told_to_be_missing(void **state)
{
    (void)state;
    char *denied = kafka_fixture_new_topic(kafka, "denied", 1, NULL),
         *absent = kafka_fixture_new_name("absent");
    char *writable = kafka_fixture_new_topic(kafka, "writable", 2, NULL);
    allow("a", RD_KAFKA_RESOURCE_TOPIC, writable, RD_KAFKA_ACL_OPERATION_WRITE);
    set_up("denied", (const char *const[]){denied, absent, writable, NULL});
    examine_as("a");
    expect_topic("ok", "%s has 2 partitions", writable);
    expect_topic("error", "%s may not be described", denied);
    expect_topic("error", "%s may not be described", absent); /* brokers tell such a user no more of it */
    stage_says("rant DESCRIBE on the topic");
    stage_does_not_say("does not exist");
    free(denied);
    free(absent);
    free(writable);
}

static void a_topic_that_may_be_described_and_created_is_missing_and_stays_so(void **state)
{
    (void)state;
    char *absent = kafka_fixture_new_name("absent");
    allow("b", RD_KAFKA_RESOURCE_TOPIC, absent, RD_KAFKA_ACL_OPERATION_DESCRIBE);
    allow("b", RD_KAFKA_RESOURCE_BROKER, NULL, RD_KAFKA_ACL_OPERATION_CREATE);
    set_up("absent", (const char *const[]){absent, NULL});
    for (int i = 0; i < 2; i++) {
        examine_as("b");
        expect_topic("error", "%s does not exist, and events wait for it", absent);
    }
    free(absent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_that_may_not_be_described_is_not_told_to_be_missing),
        cmocka_unit_test(a_topic_that_may_be_described_and_created_is_missing_and_stays_so),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
