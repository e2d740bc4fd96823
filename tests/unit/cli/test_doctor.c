/* What the doctor judges where no test can bring about the fault: versions, networks, topics of many brokers. */
#include "cmocka_all.h"

#include <string.h>

#include "doctor_topic.h"

static void expect(doctor_report *report, const char *check, doctor_level level, const char *part)
{
    for (size_t i = 0; i < report->n; i++) {
        const doctor_finding *f = &report->findings[i];
        if (strcmp(f->check->name, check) != 0)
            continue;
        if (f->level != level || !strstr(f->found, part))
            fail_msg("%s: %s, %s instead of %s, %s", check, doctor_level_names[f->level], f->found,
                     doctor_level_names[level], part);
        doctor_report_done(report);
        return;
    }
    fail_msg("nothing is said of %s", check);
}

static void every_check_says_what_why_and_the_remedy(void **state)
{
    (void)state;
    for (const doctor_check *check = doctor_checks; check->name; check++) {
        assert_ptr_equal(doctor_check_find(check->name), check);
        assert_true(strlen(check->looks_at) > 10 && strlen(check->why) > 10 && strlen(check->remedy) > 10);
    }
}

static void versions_that_are_not_supported_are_told(void **state)
{
    (void)state;
    static const struct {
        int version;
        doctor_level level;
        const char *part;
    } cases[] = {{120022, DOCTOR_ERROR, "12.22"},
                 {130000, DOCTOR_OK, "13.0"},
                 {150020, DOCTOR_OK, "15.20"},
                 {180001, DOCTOR_OK, "18.1"},
                 {190000, DOCTOR_WARNING, "19.0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        doctor_report report = {0};
        doctor_judge_version(&report, cases[i].version);
        expect(&report, "server.version", cases[i].level, cases[i].part);
    }
}

static void a_database_over_a_network_wants_a_verified_certificate(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool encrypted;
        const char *sslmode;
        doctor_level level;
        const char *part;
    } cases[] = {{"/run/postgresql", false, "prefer", DOCTOR_OK, "this machine"},
                 {"", false, "prefer", DOCTOR_OK, "this machine"},
                 {"localhost", false, "prefer", DOCTOR_OK, "this machine"},
                 {"127.0.0.1", false, "prefer", DOCTOR_OK, "this machine"},
                 {"::1", false, "prefer", DOCTOR_OK, "this machine"},
                 {"127.example.com", false, "prefer", DOCTOR_WARNING, "not encrypted"},
                 {"10.0.0.7", false, "prefer", DOCTOR_WARNING, "not encrypted"},
                 {"db", true, "require", DOCTOR_WARNING, "sslmode=require"},
                 {"db", true, "verify-ca", DOCTOR_WARNING, "sslmode=verify-ca"},
                 {"db", true, "verify-full", DOCTOR_OK, "verified"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        doctor_report report = {0};
        doctor_judge_database_tls(&report, cases[i].host, cases[i].encrypted, cases[i].sslmode);
        expect(&report, "database.tls", cases[i].level, cases[i].part);
    }
}

static void brokers_over_a_network_want_verified_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *brokers, *name, *value;
        doctor_level level;
        const char *part;
    } cases[] = {
        {"localhost:9092,127.0.0.1:9093,[::1]:9094", "client.id", "x", DOCTOR_OK, "this machine"},
        {"localhost:9092,kafka-1:9092", "client.id", "x", DOCTOR_WARNING, "plaintext"},
        {"kafka-1", "security.protocol", "SASL_PLAINTEXT", DOCTOR_WARNING, "SASL_PLAINTEXT"},
        {"kafka-1", "security.protocol", "SASL_SSL", DOCTOR_OK, "verified"},
        {"SSL://kafka-1:9093", "security.protocol", "ssl", DOCTOR_OK, "verified"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        doctor_report report = {0};
        config_pair pair = {(char *)(uintptr_t)cases[i].name, (char *)(uintptr_t)cases[i].value, NULL};
        config cfg = {.brokers = (char *)(uintptr_t)cases[i].brokers, .kafka = &pair, .n_kafka = 1};
        doctor_judge_kafka_tls(&report, &cfg);
        expect(&report, "kafka.tls", cases[i].level, cases[i].part);
    }
}

static void certificates_that_nobody_verifies_are_told(void **state)
{
    (void)state;
    static const char *const settings[][2] = {{"enable.ssl.certificate.verification", "false"},
                                              {"ssl.endpoint.identification.algorithm", "none"}};
    for (size_t i = 0; i < 2; i++) {
        doctor_report report = {0};
        char security[] = "security.protocol", ssl[] = "ssl", brokers[] = "kafka-1";
        config_pair pairs[] = {{security, ssl, NULL},
                               {(char *)(uintptr_t)settings[i][0], (char *)(uintptr_t)settings[i][1], NULL}};
        config cfg = {.brokers = brokers, .kafka = pairs, .n_kafka = 2};
        doctor_judge_kafka_tls(&report, &cfg);
        expect(&report, "kafka.tls", DOCTOR_WARNING, settings[i][0]);
    }
}

static const topic_facts sound = {.name = "t",
                                  .exists = true,
                                  .n_partitions = 6,
                                  .replicas = 3,
                                  .described = true,
                                  .min_insync = 2,
                                  .max_message_bytes = 1048588,
                                  .retention_ms = 604800000};

static void expect_of(topic_facts topic, const char *check, doctor_level level, const char *part)
{
    static const event_limits limits = {1000000, 4096, 32768};
    doctor_report report = {0};
    doctor_judge_topic(&report, &topic, &limits);
    expect(&report, check, level, part);
}

static void a_sound_topic_is_found_sound(void **state)
{
    (void)state;
    static const char *const checks[] = {"topic.exists",    "topic.replication", "topic.size",
                                         "topic.retention", "topic.compaction",  "topic.election"};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        expect_of(sound, checks[i], DOCTOR_OK, "t");
}

static void each_fault_of_a_topic_is_told(void **state)
{
    (void)state;
    topic_facts t = sound;
    t.exists = false;
    expect_of(t, "topic.exists", DOCTOR_ERROR, "does not exist");
    t.created = true;
    expect_of(t, "topic.exists", DOCTOR_OK, "the relay creates it");
    t = sound;
    t.exists = false;
    t.refused = true;
    expect_of(t, "topic.exists", DOCTOR_ERROR, "may not be described");
    t.refused = false;
    t.unanswered = true;
    expect_of(t, "topic.exists", DOCTOR_WARNING, "did not answer");
    t = sound;
    t.n_leaderless = 2;
    expect_of(t, "topic.exists", DOCTOR_ERROR, "2 of its 6 partitions have no leader");
    t = sound;
    t.described = false;
    expect_of(t, "topic.replication", DOCTOR_SKIPPED, "DescribeConfigs");
    t = sound;
    t.min_insync = 4;
    expect_of(t, "topic.replication", DOCTOR_ERROR, "no record is ever accepted");
    t.min_insync = 3;
    expect_of(t, "topic.replication", DOCTOR_WARNING, "with one broker away");
    t.min_insync = 1;
    expect_of(t, "topic.replication", DOCTOR_WARNING, "content with the leader alone");
    t.replicas = 1;
    expect_of(t, "topic.replication", DOCTOR_WARNING, "1 replica");
    t = sound;
    t.max_message_bytes = 999999;
    expect_of(t, "topic.size", DOCTOR_ERROR, "below the 1000000 of max_value_bytes");
    t.max_message_bytes = 1000000;
    expect_of(t, "topic.size", DOCTOR_WARNING, "largest value, key and headers");
    t = sound;
    t.waits = true;
    t.oldest_s = 604801;
    expect_of(t, "topic.retention", DOCTOR_WARNING, "604801 s old");
    t.retention_ms = -1;
    expect_of(t, "topic.retention", DOCTOR_OK, "for ever");
    t = sound;
    t.compacted = true;
    expect_of(t, "topic.compaction", DOCTOR_OK, "each will need a key");
    t.seen = true;
    expect_of(t, "topic.compaction", DOCTOR_OK, "have keys");
    t.keyless = true;
    expect_of(t, "topic.compaction", DOCTOR_ERROR, "without a key");
    t = sound;
    t.unclean = true;
    expect_of(t, "topic.election", DOCTOR_WARNING, "unclean.leader.election.enable is true");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_check_says_what_why_and_the_remedy),
        cmocka_unit_test(versions_that_are_not_supported_are_told),
        cmocka_unit_test(a_database_over_a_network_wants_a_verified_certificate),
        cmocka_unit_test(brokers_over_a_network_want_verified_certificates),
        cmocka_unit_test(certificates_that_nobody_verifies_are_told),
        cmocka_unit_test(a_sound_topic_is_found_sound),
        cmocka_unit_test(each_fault_of_a_topic_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
