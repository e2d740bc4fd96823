/* postbus tail on a topic that gets more partitions while it runs, at a real broker: the mock has no topics that grow. */
#include "cmocka_all.h"

#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "delivered.h"
#include "kafka_fixture.h"
#include "proc_fixture.h"
#include "wait_until.h"

enum { SOON_MS = 120000, A_MOMENT_MS = 100 };

static kafka_fixture *kafka;

static int open_broker(void **state)
{
    (void)state;
    kafka = kafka_fixture_shared();
    return setenv("POSTBUS_BROKERS", kafka_fixture_brokers(kafka), 1);
}

static int close_broker(void **state)
{
    (void)state;
    kafka_fixture_free(kafka);
    return 0;
}

/* By a producer of its own each: it knows the partitions there are now. */
static void produce(const char *topic, int partition, const char *value)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_fixture_brokers(kafka), NULL, 0);
    delivered_watch(conf);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    assert_non_null(producer);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(producer, topic, NULL);
    assert_int_equal(rd_kafka_produce(handle, partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)value,
                                      strlen(value), NULL, 0, NULL),
                     0);
    delivered_all(producer, SOON_MS);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(producer);
}

/* Until it has taken its place behind what was there. */
static void produce_until_seen(proc_fixture *tail, const char *topic)
{
    for (int i = 0; i < SOON_MS / A_MOMENT_MS; i++) {
        produce(topic, 0, "begun");
        if (proc_fixture_wait_log(tail, "<0 begun>", A_MOMENT_MS))
            return;
    }
    fail_msg("nothing is printed");
}

static int times_said(proc_fixture *tail, const char *text)
{
    int n = 0;
    char *log = proc_fixture_log(tail);
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        n++;
    free(log);
    return n;
}

typedef struct saying {
    proc_fixture *tail;
    const char *text;
} saying;

static bool said(void *arg)
{
    const saying *s = arg;
    return times_said(s->tail, s->text) > 0;
}

/* Wherever in its output: partitions come in any order. */
static void expect_said(proc_fixture *tail, const char *text)
{
    saying s = {tail, text};
    if (!wait_until(said, &s, SOON_MS)) {
        char *log = proc_fixture_log(tail);
        fail_msg("%s is never printed:\n%s", text, log);
    }
}

static void partitions_that_are_added_are_read_from_their_beginning_and_the_others_go_on(void **state)
{
    (void)state;
    char *topic = kafka_fixture_new_topic(kafka, "growing", 1, NULL);
    produce(topic, 0, "old");
    proc_fixture *tail = proc_fixture_start_postbus(
        (const char *const[]){"tail", topic, "--format", "<%p %v>\\n", NULL}, NULL);
    produce_until_seen(tail, topic);
    kafka_fixture_grow_topic(kafka, topic, 3);
    produce(topic, 1, "first");
    produce(topic, 2, "second");
    expect_said(tail, "<1 first>");
    expect_said(tail, "<2 second>");
    produce(topic, 0, "last");
    produce(topic, 1, "last");
    expect_said(tail, "<0 last>");
    expect_said(tail, "<1 last>");
    assert_int_equal(times_said(tail, "<1 first>"), 1);
    assert_int_equal(times_said(tail, "<0 last>"), 1);
    assert_int_equal(times_said(tail, "<0 old>"), 0);
    assert_int_equal(proc_fixture_end(tail, SIGTERM, SOON_MS), 0);
    proc_fixture_free(tail);
    free(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_that_are_added_are_read_from_their_beginning_and_the_others_go_on),
    };
    return cmocka_run_group_tests(tests, open_broker, close_broker);
}
