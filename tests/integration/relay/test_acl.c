/* Brokers with an authorizer: what the relay may not do holds up its topic, is told, and is over by itself once it is granted. */
#include "cmocka_all.h"
#include "kafka_admin.h"
#include "pg_query.h"
#include "stage.h"
#include "wait_until.h"

#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_LOGIN "org.apache.kafka.common.security.plain.PlainLoginModule required "

/* Each test has a user of its own, whom nothing is allowed yet. The tests themselves come without a name, and may do anything. */
static const char *const users[] = {"a", "b", "c", "d", "e"};

static int open_group(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--listener", "SASL:SASL_PLAINTEXT", NULL};
    static const char *const settings[] = {
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS", "sasl.enabled.mechanisms=PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config=" PLAIN_LOGIN
        "user_a=\"geheim\" user_b=\"geheim\" user_c=\"geheim\" user_d=\"geheim\" user_e=\"geheim\";",
        NULL};
    return stage_open_with(kafka_fixture_new_listening(arguments, settings));
}

static void allow(const char *user, int resource, const char *name, int operation)
{
    char message[256];
    if (!kafka_admin_allow(kafka_fixture_brokers(stage_kafka), user, resource, name, operation, message,
                           sizeof message))
        fail_msg("%s", message);
}

static void allow_topic(const char *user, const char *topic)
{
    allow(user, RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_ACL_OPERATION_WRITE);
    allow(user, RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
}

static proc_fixture *start_relay_of(const outbox *o, const char *user, const char *flag, const char *value)
{
    char name[40], *brokers = kafka_fixture_listener(stage_kafka, "SASL");
    snprintf(name, sizeof name, "sasl.username=%s", user);
    const char *const flags[] = {"--brokers", brokers,
                                 "-X",        "security.protocol=sasl_plaintext",
                                 "-X",        "sasl.mechanism=PLAIN",
                                 "-X",        name,
                                 "-X",        "sasl.password=geheim",
                                 flag,        value,
                                 NULL};
    proc_fixture *relay = relay_start(o, flags);
    free(brokers);
    return relay;
}

static proc_fixture *relay_of(const outbox *o, const char *user, const char *flag, const char *value)
{
    proc_fixture *relay = start_relay_of(o, user, flag, value);
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    return relay;
}

static void a_topic_that_may_not_be_written_waits_in_its_lane_and_no_other_does(void **state)
{
    const char *user = *state;
    outbox *o = outbox_new();
    char *denied = kafka_fixture_new_topic(stage_kafka, "denied", 1, NULL);
    allow_topic(user, o->topic);
    proc_fixture *relay = relay_of(o, user, NULL, NULL);
    pg_run(o->conn,
           "SELECT count(postbus.publish(t, 'v' || i, 'k' || i %% 5)) FROM generate_series(1, 200) i, "
           "unnest(ARRAY['%s', '%s']) t",
           denied, o->topic);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 200)::int FROM postbus.backlog()");
    pg_expect(o->conn, "topic_not_authorized/29/topic",
              "SELECT DISTINCT concat_ws('/', reason, error_code, waits_for) FROM postbus.parked");
    expect_each_arrived_once(o, o->topic);
    proc_fixture_expect_log(relay, "topic.refused", SOON_MS);
    allow(user, RD_KAFKA_RESOURCE_TOPIC, denied, RD_KAFKA_ACL_OPERATION_WRITE);
    expect_drained(o);
    expect_each_arrived_once(o, denied);
    publish(o->conn, denied, NULL, 50);
    expect_drained(o);
    expect_each_arrived_once(o, denied);
    relay_stop(relay);
    free(denied);
    outbox_free(o);
}

/* It writes as if it knew nothing of the topic's limits. */
static void a_topic_whose_settings_may_not_be_read_flows(void **state)
{
    const char *user = *state;
    outbox *o = outbox_new();
    allow(user, RD_KAFKA_RESOURCE_TOPIC, o->topic, RD_KAFKA_ACL_OPERATION_WRITE);
    proc_fixture *relay = relay_of(o, user, NULL, NULL);
    publish(o->conn, o->topic, NULL, 200);
    finish(o, relay);
}

static void a_topic_that_may_not_be_created_waits_until_it_may(void **state)
{
    const char *user = *state;
    outbox *o = outbox_new();
    char *wanted = kafka_fixture_new_name("wanted");
    allow_topic(user, o->topic);
    allow_topic(user, wanted);
    proc_fixture *relay = relay_of(o, user, "--create-topics", "true");
    publish(o->conn, wanted, NULL, 100);
    publish(o->conn, o->topic, NULL, 100);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 100)::int FROM postbus.backlog()");
    proc_fixture_expect_log(relay, "topic.missing", SOON_MS);
    expect_each_arrived_once(o, o->topic);
    allow(user, RD_KAFKA_RESOURCE_TOPIC, wanted, RD_KAFKA_ACL_OPERATION_CREATE);
    expect_drained(o);
    expect_each_arrived_once(o, wanted);
    relay_stop(relay);
    free(wanted);
    outbox_free(o);
}

/* Who may write to no topic at all gets no producer id: that is a set-up that is not finished, and nothing is parked for it. */
static void without_the_right_to_a_producer_id_events_wait_in_the_outbox(void **state)
{
    const char *user = *state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_of(o, user, NULL, NULL);
    publish(o->conn, o->topic, NULL, 100);
    for (int attempt = 0; attempt < 2; attempt++)
        proc_fixture_expect_log(relay, "producer.recreated", SOON_MS);
    pg_expect(o->conn, "100/0", "SELECT concat_ws('/', pending, parked) FROM postbus.backlog()");
    allow(user, RD_KAFKA_RESOURCE_BROKER, NULL, RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE);
    allow_topic(user, o->topic);
    finish(o, relay);
}

/* What was published meanwhile leaves once delivery needs the right no more. */
static void without_a_right_to_transactions_the_relay_does_not_lead_and_says_which(void **state)
{
    const char *user = *state;
    outbox *o = outbox_new();
    allow_topic(user, o->topic);
    proc_fixture *relay = start_relay_of(o, user, "--delivery", "exactly_once");
    publish(o->conn, o->topic, NULL, 50);
    for (int attempt = 0; attempt < 2; attempt++)
        proc_fixture_expect_log(
            relay, "remedy=\"allow the relay WRITE and DESCRIBE on its transactional id\"", SOON_MS);
    pg_expect(o->conn, "50", "SELECT pending FROM postbus.backlog()");
    relay_stop(relay);
    finish(o, relay_of(o, user, "--delivery", "at_least_once"));
}

/* Whatever somebody is allowed to use is denied to all others; anything else is free. For resources that this librdkafka cannot name. */
static int open_free_group(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--listener", "SASL:SASL_PLAINTEXT", NULL};
    static const char *const settings[] = {
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",
        "allow.everyone.if.no.acl.found=true",
        "sasl.enabled.mechanisms=PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config=" PLAIN_LOGIN "user_a=\"geheim\";",
        NULL};
    return stage_open_with(kafka_fixture_new_listening(arguments, settings));
}

static void without_the_rights_to_its_position_the_relay_does_not_lead_and_says_which(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    char *group = pg_text(
        o->conn, "SELECT 'postbus-' || transactions_id FROM postbus.identity ORDER BY after_id DESC LIMIT 1");
    allow("somebody", RD_KAFKA_RESOURCE_GROUP, group, RD_KAFKA_ACL_OPERATION_READ);
    allow("somebody", RD_KAFKA_RESOURCE_TOPIC, "__consumer_offsets", RD_KAFKA_ACL_OPERATION_READ);
    proc_fixture *relay = start_relay_of(o, "a", "--delivery", "exactly_once");
    publish(o->conn, o->topic, NULL, 50);
    proc_fixture_expect_log(relay, "remedy=\"allow the relay READ on its group\"", SOON_MS);
    allow("a", RD_KAFKA_RESOURCE_GROUP, group, RD_KAFKA_ACL_OPERATION_READ);
    proc_fixture_expect_log(relay, "remedy=\"allow the relay READ on the topic __consumer_offsets\"",
                            SOON_MS);
    pg_expect(o->conn, "50", "SELECT pending FROM postbus.backlog()");
    allow("a", RD_KAFKA_RESOURCE_TOPIC, "__consumer_offsets", RD_KAFKA_ACL_OPERATION_READ);
    expect_drained(o);
    expect_each_committed_once(o, o->topic);
    relay_stop(relay);
    free(group);
    outbox_free(o);
}

/* Each pause is longer than the one before. */
static void expect_rarer_leads(proc_fixture *relay, int n_losses)
{
    static const char lost[] = "session.lost reason=\"a transaction could not be ended\" retry_ms=";
    for (int i = 0; i < n_losses; i++) {
        proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
        proc_fixture_expect_log(relay, lost, SOON_MS);
    }
    char *log = proc_fixture_log(relay);
    long last_ms = 0;
    for (const char *at = log; (at = strstr(at, lost));) {
        long pause_ms = strtol(at += strlen(lost), NULL, 10);
        assert_in_range(pause_ms, last_ms + 1, 5000);
        last_ms = pause_ms;
    }
    free(log);
}

/* Brokers let it ask for its position, so that it leads, and refuse to take one. */
static void without_the_right_to_commit_its_position_the_relay_leads_ever_more_rarely(void **state)
{
    (void)state;
    enum { LOSSES = 4, EVENTS = 50 };
    outbox *o = outbox_new();
    char *group = pg_text(
        o->conn, "SELECT 'postbus-' || transactions_id FROM postbus.identity ORDER BY after_id DESC LIMIT 1");
    allow("a", RD_KAFKA_RESOURCE_GROUP, group, RD_KAFKA_ACL_OPERATION_DESCRIBE);
    publish(o->conn, o->topic, NULL, EVENTS);
    proc_fixture *relay = start_relay_of(o, "a", "--delivery", "exactly_once");
    expect_rarer_leads(relay, LOSSES);
    proc_fixture_expect_log(relay, "remedy=\"allow the relay READ on its group\"", SOON_MS);
    pg_expect(o->conn, "50", "SELECT pending FROM postbus.backlog()");
    allow("a", RD_KAFKA_RESOURCE_GROUP, group, RD_KAFKA_ACL_OPERATION_READ);
    expect_drained(o);
    expect_each_committed_once(o, o->topic);
    assert_in_range(expect_all_arrived(o, o->topic).n_repeated, 1, EVENTS + 2 * LOSSES);
    pg_run(o->conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                    "current_database() AND usename = 'relay'");
    proc_fixture_expect_log(relay, "retry_ms=100", SOON_MS);
    relay_stop(relay);
    free(group);
    outbox_free(o);
}

/* Events of a topic that is tried again and again, each time with these words in the log. */
static proc_fixture *expect_tried_beside_others(const outbox *o, const char *topic, const char *said,
                                                const char *delivery)
{
    proc_fixture *relay = relay_of(o, "a", delivery, "--log-level=debug");
    publish(o->conn, o->topic, NULL, 20);
    publish(o->conn, topic, NULL, 20);
    proc_fixture_expect_log(relay, "lane.open", SOON_MS);
    for (int attempt = 0; attempt < 10; attempt++)
        proc_fixture_expect_log(relay, said, SOON_MS);
    publish(o->conn, o->topic, NULL, 20);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 20)::int FROM postbus.backlog()");
    return relay;
}

static void expect_rarely_made_anew(proc_fixture *relay)
{
    proc_fixture_signal(relay, SIGTERM);
    assert_int_equal(proc_fixture_wait_exit(relay, SOON_MS), 0);
    assert_in_range(relay_counted(relay, "producers_recreated"), 0, 2);
    proc_fixture_free(relay);
}

/* Its brokers do not even say that the topic is there, so that librdkafka remembers it as refused. */
static void trying_a_refused_topic_again_disturbs_no_other(void **state)
{
    const char *delivery = *state;
    outbox *o = outbox_new();
    char *denied = kafka_fixture_new_topic(stage_kafka, "denied", 1, NULL);
    allow("somebody", RD_KAFKA_RESOURCE_TOPIC, denied, RD_KAFKA_ACL_OPERATION_WRITE);
    proc_fixture *relay = expect_tried_beside_others(o, denied, "topic.refused", delivery);
    allow("a", RD_KAFKA_RESOURCE_TOPIC, denied, RD_KAFKA_ACL_OPERATION_WRITE);
    expect_drained(o);
    expect_each_committed_once(o, denied);
    expect_rarely_made_anew(relay);
    free(denied);
    outbox_free(o);
}

/* Whoever may not read a topic's settings learns from the first record that there is none. */
static void trying_a_missing_topic_again_disturbs_no_other(void **state)
{
    const char *delivery = *state;
    outbox *o = outbox_new();
    char *wanted = kafka_fixture_new_name("wanted");
    allow("somebody", RD_KAFKA_RESOURCE_TOPIC, wanted, RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
    allow("a", RD_KAFKA_RESOURCE_TOPIC, wanted, RD_KAFKA_ACL_OPERATION_WRITE);
    proc_fixture *relay = expect_tried_beside_others(o, wanted, "topic.missing", delivery);
    kafka_fixture_create_topic(stage_kafka, wanted, 1, NULL);
    expect_drained(o);
    expect_each_committed_once(o, wanted);
    expect_rarely_made_anew(relay);
    free(wanted);
    outbox_free(o);
}

/* Brokers answer also those whom they do not let in. That is no sign of life by which topics could be told to stall. */
static void a_wrong_password_parks_nothing(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    proc_fixture *relay = relay_of(o, "a", "-Xsasl.password=wrong", "--lane-timeout-ms=2500");
    for (int64_t until_ms = wait_now_ms() + 10000; wait_now_ms() < until_ms;) {
        publish(o->conn, o->topic, NULL, 1);
        assert_int_equal(pg_number(o->conn, "SELECT parked FROM postbus.backlog()"), 0);
    }
    relay_stop(relay);
    outbox_free(o);
}

/* A topic that "a" may look at and not write to. */
static char *readable(void)
{
    char *topic = kafka_fixture_new_topic(stage_kafka, "readable", 12, NULL);
    allow("somebody", RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_ACL_OPERATION_WRITE);
    allow("a", RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_ACL_OPERATION_DESCRIBE);
    return topic;
}

static void publish_without_key(const outbox *o, const char *topic)
{
    pg_run(o->conn, "INSERT INTO postbus.outbox (topic, value) VALUES ('%s', 'v')", topic);
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
}

/* How many topics wait since they may not be written to. */
static int64_t n_denied(const outbox *o)
{
    return pg_number(
        o->conn, "SELECT count(DISTINCT topic) FROM postbus.parked WHERE reason = 'topic_not_authorized'");
}

/* What was made last is denied last: brokers take up in their order what they are told. */
static void expect_denied(const outbox *o, const char *last)
{
    int64_t until_ms = wait_now_ms() + SOON_MS;
    do
        publish_without_key(o, last);
    while (n_denied(o) == 0 && wait_now_ms() < until_ms);
}

/* The brokers take such topics into no transaction; where that has nothing else in it, it cannot even be aborted. */
static void topics_that_may_be_seen_and_not_written_hold_up_no_other(void **state)
{
    enum { N_TOPICS = 6 };
    const char *delivery = *state;
    char *denied[N_TOPICS];
    outbox *o = outbox_new();
    for (int i = 0; i < N_TOPICS; i++)
        denied[i] = readable();
    proc_fixture *relay = relay_of(o, "a", delivery, NULL);
    expect_denied(o, denied[N_TOPICS - 1]);
    for (int i = 0; i < N_TOPICS - 1; i++)
        publish_without_key(o, denied[i]);
    publish(o->conn, o->topic, NULL, 20);
    expect_sql(o->conn, "SELECT (pending = 0)::int FROM postbus.backlog()");
    assert_int_equal(n_denied(o), N_TOPICS);
    expect_each_committed_once(o, o->topic);
    for (int i = 0; i < N_TOPICS; i++)
        allow("a", RD_KAFKA_RESOURCE_TOPIC, denied[i], RD_KAFKA_ACL_OPERATION_WRITE);
    expect_drained(o);
    relay_stop(relay);
    for (int i = 0; i < N_TOPICS; i++) {
        expect_each_committed_once(o, denied[i]);
        free(denied[i]);
    }
    outbox_free(o);
}

/* Events of a missing topic wait in its lane; this one waits for an operator. */
static void park_for_an_operator(const outbox *o, const char *topic)
{
    proc_fixture *relay = relay_of(o, "a", NULL, NULL);
    publish(o->conn, topic, "k", 1);
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 1)::int FROM postbus.backlog()");
    relay_stop(relay);
    pg_run(o->conn,
           "UPDATE postbus.parked SET waits_for = 'operator', reason = 'record_too_large', queue = id");
}

static void a_redrive_that_finds_its_topic_missing_stays_wished_for(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    char *wanted = kafka_fixture_new_name("wanted");
    allow("somebody", RD_KAFKA_RESOURCE_TOPIC, wanted, RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
    allow("a", RD_KAFKA_RESOURCE_TOPIC, wanted, RD_KAFKA_ACL_OPERATION_WRITE);
    park_for_an_operator(o, wanted);
    redrive_all(o);
    proc_fixture *relay = relay_of(o, "a", "--log-level", "debug");
    for (int attempt = 0; attempt < 3; attempt++)
        proc_fixture_expect_log(relay, "topic.missing", SOON_MS);
    pg_expect(
        o->conn, "operator/record_too_large/1",
        "SELECT concat_ws('/', waits_for, reason, (SELECT count(*) FROM postbus.wish)) FROM postbus.parked");
    kafka_fixture_create_topic(stage_kafka, wanted, 1, NULL);
    expect_drained(o);
    expect_each_arrived_once(o, wanted);
    pg_expect(o->conn, "0", "SELECT count(*) FROM postbus.wish");
    relay_stop(relay);
    free(wanted);
    outbox_free(o);
}

/* The other topic's now, the denied one's then; the end of a test. */
static void expect_each_arrives_when_allowed(outbox *o, proc_fixture *relay, char *denied)
{
    expect_each_committed_once(o, o->topic);
    allow("a", RD_KAFKA_RESOURCE_TOPIC, denied, RD_KAFKA_ACL_OPERATION_WRITE);
    expect_drained(o);
    expect_each_committed_once(o, denied);
    relay_stop(relay);
    free(denied);
    outbox_free(o);
}

/* So many that librdkafka hears of it while they are handed over: some are with it, and what comes behind them is parked at once. */
static void a_topic_that_is_refused_in_the_middle_of_a_transaction_keeps_its_order(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    outbox *o = outbox_new();
    char *denied = kafka_fixture_new_topic(stage_kafka, "denied", 1, NULL);
    allow("somebody", RD_KAFKA_RESOURCE_TOPIC, denied, RD_KAFKA_ACL_OPERATION_WRITE);
    publish(o->conn, denied, NULL, MANY);
    publish(o->conn, o->topic, NULL, 20);
    proc_fixture *relay = relay_of(o, "a", "--delivery", "exactly_once");
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 20000)::int FROM postbus.backlog()");
    expect_each_arrives_when_allowed(o, relay, denied);
}

/* Of an error that lasts. */
static void expect_told_once(proc_fixture *relay)
{
    char *log = proc_fixture_log(relay);
    const char *first = strstr(log, "topic.refused");
    assert_non_null(first);
    assert_null(strstr(first + 1, "topic.refused"));
    assert_null(strstr(log, "record.refused"));
    free(log);
}

/* librdkafka hears of the denial while others of the backlog are handed over, and takes none of any topic from then on. */
static void a_backlog_of_a_topic_that_may_be_seen_and_not_written_holds_up_no_other(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    outbox *o = outbox_new();
    char *denied = readable();
    publish(o->conn, denied, NULL, MANY);
    publish(o->conn, o->topic, NULL, 20);
    proc_fixture *relay = relay_of(o, "a", "--delivery", "exactly_once");
    expect_sql(o->conn, "SELECT (pending = 0 AND parked = 20000)::int FROM postbus.backlog()");
    for (int i = 0; i < 3; i++)
        proc_fixture_expect_log(relay, "a transaction could not be ended", SOON_MS); /* it was tried again */
    expect_told_once(relay);
    expect_each_arrives_when_allowed(o, relay, denied);
}

int main(void)
{
    const struct CMUnitTest when_all_is_free[] = {
        cmocka_unit_test_prestate(trying_a_missing_topic_again_disturbs_no_other,
                                  (void *)(uintptr_t) "--delivery=at_least_once"),
        cmocka_unit_test_prestate(trying_a_missing_topic_again_disturbs_no_other,
                                  (void *)(uintptr_t) "--delivery=exactly_once"),
        cmocka_unit_test_prestate(trying_a_refused_topic_again_disturbs_no_other,
                                  (void *)(uintptr_t) "--delivery=at_least_once"),
        cmocka_unit_test_prestate(trying_a_refused_topic_again_disturbs_no_other,
                                  (void *)(uintptr_t) "--delivery=exactly_once"),
        cmocka_unit_test_prestate(topics_that_may_be_seen_and_not_written_hold_up_no_other,
                                  (void *)(uintptr_t) "--delivery=at_least_once"),
        cmocka_unit_test_prestate(topics_that_may_be_seen_and_not_written_hold_up_no_other,
                                  (void *)(uintptr_t) "--delivery=exactly_once"),
        cmocka_unit_test(a_wrong_password_parks_nothing),
        cmocka_unit_test(without_the_rights_to_its_position_the_relay_does_not_lead_and_says_which),
        cmocka_unit_test(without_the_right_to_commit_its_position_the_relay_leads_ever_more_rarely),
        cmocka_unit_test(a_redrive_that_finds_its_topic_missing_stays_wished_for),
        cmocka_unit_test(a_topic_that_is_refused_in_the_middle_of_a_transaction_keeps_its_order),
        cmocka_unit_test(a_backlog_of_a_topic_that_may_be_seen_and_not_written_holds_up_no_other),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_topic_that_may_not_be_written_waits_in_its_lane_and_no_other_does,
                                  (void *)(uintptr_t)users[0]),
        cmocka_unit_test_prestate(a_topic_whose_settings_may_not_be_read_flows, (void *)(uintptr_t)users[1]),
        cmocka_unit_test_prestate(a_topic_that_may_not_be_created_waits_until_it_may,
                                  (void *)(uintptr_t)users[2]),
        cmocka_unit_test_prestate(without_the_right_to_a_producer_id_events_wait_in_the_outbox,
                                  (void *)(uintptr_t)users[3]),
        cmocka_unit_test_prestate(without_a_right_to_transactions_the_relay_does_not_lead_and_says_which,
                                  (void *)(uintptr_t)users[4]),
    };
    int n_failed = cmocka_run_group_tests(when_all_is_free, open_free_group, stage_close);
    return n_failed + cmocka_run_group_tests(tests, open_group, stage_close);
}
