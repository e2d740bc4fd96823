/* TLS to PostgreSQL and Kafka, and SASL, with certificates made here: good ones carry events, bad ones carry nothing, and no password
 * is ever logged. */
#include "cmocka_all.h"
#include "pg_query.h"
#include "stage.h"
#include "text_file.h"
#include "wait_until.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD "geheim7"
#define WRONG_PASSWORD "geraten9"

static char directory[] = "/tmp/postbus-tls.XXXXXX";
static char texts[12][200]; /* the broker keeps pointers to its settings */

static const char *const arguments[] = {"--listener", "GOOD:SSL",        "--listener", "ELSEWHERE:SSL",
                                        "--listener", "EXPIRED:SSL",     "--listener", "SELF:SSL",
                                        "--listener", "SASL:SASL_SSL",   "--listener", "MUTUAL:SSL",
                                        "--scram",    "relay:" PASSWORD, NULL};

static void start_broker(void)
{
    static const char *const stores[][2] = {{"good", "good"},       {"elsewhere", "elsewhere"},
                                            {"expired", "expired"}, {"self", "self"},
                                            {"sasl", "good"},       {"mutual", "good"}};
    static const char *settings[20];
    size_t n = 0;
    settings[n++] = "ssl.keystore.type=PEM";
    settings[n++] = "sasl.enabled.mechanisms=SCRAM-SHA-512";
    settings[n++] = "listener.name.sasl.scram-sha-512.sasl.jaas.config="
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    settings[n++] = "listener.name.mutual.ssl.client.auth=required";
    settings[n++] = "listener.name.mutual.ssl.truststore.type=PEM";
    snprintf(texts[11], sizeof texts[11], "listener.name.mutual.ssl.truststore.location=%s/ca.crt",
             directory);
    settings[n++] = texts[11];
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        snprintf(texts[i], sizeof texts[i], "listener.name.%s.ssl.keystore.location=%s/%s.pem", stores[i][0],
                 directory, stores[i][1]);
        settings[n++] = texts[i];
    }
    stage_kafka = kafka_fixture_new_listening(arguments, settings);
}

/* Over TCP the relay comes over TLS, with a password or, as the role certified, with a certificate, or not at all. */
static void guard_the_server(PGconn *conn)
{
    char path[200];
    pg_run(conn, "CREATE ROLE relay LOGIN PASSWORD '" PASSWORD "'; CREATE ROLE certified LOGIN");
    snprintf(path, sizeof path, "%s/data/pg_hba.conf", pg_fixture_directory(stage_pg));
    text_file_write(path, "local all all trust\nhostssl all relay 127.0.0.1/32 scram-sha-256\n"
                          "hostssl all certified 127.0.0.1/32 cert\n"
                          "host all postgres 127.0.0.1/32 trust\n");
}

static int open_group(void **state)
{
    (void)state;
    char certificate[100], key[100], authority[100];
    if (!mkdtemp(directory))
        return -1;
    assert_int_equal(
        proc_fixture_run((const char *const[]){POSTBUS_SUPPORT_DIR "/certificates", directory, NULL}, NULL,
                         NULL, SOON_MS),
        0);
    snprintf(certificate, sizeof certificate, "ssl_cert_file=%s/good.crt", directory);
    snprintf(key, sizeof key, "ssl_key_file=%s/good.key", directory);
    snprintf(authority, sizeof authority, "ssl_ca_file=%s/ca.crt", directory);
    stage_pg = pg_fixture_new((const char *const[]){"ssl=on", "password_encryption=scram-sha-256",
                                                    certificate, key, authority, NULL});
    PGconn *conn = pg_fixture_connect(stage_pg, NULL, NULL);
    guard_the_server(conn);
    pg_run(conn, "SELECT pg_reload_conf()");
    PQfinish(conn);
    start_broker();
    return 0;
}

static int close_group(void **state)
{
    stage_close(state);
    return proc_fixture_run((const char *const[]){"rm", "-rf", directory, NULL}, NULL, NULL, SOON_MS);
}

/* A relay's connection string over TLS, for the caller to free. */
static char *over_tls(const outbox *o, const char *password)
{
    char *text = NULL;
    if (asprintf(&text,
                 "host=localhost hostaddr=127.0.0.1 port=%d dbname=%s user=relay password=%s "
                 "sslmode=verify-full sslrootcert=%s/ca.crt",
                 pg_fixture_port(stage_pg), o->database, password, directory) < 0)
        fail_msg("no memory");
    return text;
}

static void expect_no_password_in_log(proc_fixture *relay)
{
    char *log = proc_fixture_log(relay);
    if (strstr(log, PASSWORD) || strstr(log, WRONG_PASSWORD))
        fail_msg("a password is in the log: %s", log);
    free(log);
}

/* ---- PostgreSQL ---- */

typedef struct served {
    const outbox *o;
    bool good;
} served;

static bool serves(void *arg)
{
    const served *s = arg;
    char *conninfo = over_tls(s->o, PASSWORD);
    PGconn *conn = PQconnectdb(conninfo);
    bool good = PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    free(conninfo);
    return good == s->good;
}

static void serve(const outbox *o, const char *name, bool good)
{
    served s = {o, good};
    pg_run(o->conn, "ALTER SYSTEM SET ssl_cert_file = '%s/%s.crt'", directory, name);
    pg_run(o->conn, "ALTER SYSTEM SET ssl_key_file = '%s/%s.key'", directory, name);
    pg_run(o->conn, "SELECT pg_reload_conf()");
    assert_true(wait_until(serves, &s, SOON_MS));
}

static void a_server_with_a_bad_certificate_is_refused_and_tried_again(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"elsewhere", "does not match host name"},
                                           {"expired", "certificate verify failed"},
                                           {"self", "certificate verify failed"}};
    outbox *o = outbox_new();
    char *conninfo = over_tls(o, PASSWORD);
    for (size_t i = 0; i < 3; i++) {
        serve(o, cases[i][0], false);
        proc_fixture *relay =
            relay_start(o, (const char *const[]){"--database", conninfo, "--log-level", "debug", NULL});
        for (int attempt = 0; attempt < 2; attempt++) {
            proc_fixture_expect_log(relay, "session.lost", SOON_MS);
            char *log = proc_fixture_log(relay);
            assert_non_null(strstr(log, cases[i][1]));
            free(log);
        }
        serve(o, "good", true);
        proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
        expect_no_password_in_log(relay);
        relay_stop(relay);
    }
    free(conninfo);
    outbox_free(o);
}

static void a_wrong_password_is_named_by_its_user_and_tried_again(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    char *conninfo = over_tls(o, WRONG_PASSWORD);
    proc_fixture *relay =
        relay_start(o, (const char *const[]){"--database", conninfo, "--log-level", "debug", NULL});
    for (int attempt = 0; attempt < 2; attempt++)
        proc_fixture_expect_log(relay, "password authentication failed for user", SOON_MS);
    pg_run(o->conn, "ALTER ROLE relay PASSWORD '" WRONG_PASSWORD "'");
    proc_fixture_expect_log(relay, "leader.elected", SOON_MS);
    pg_run(o->conn, "ALTER ROLE relay PASSWORD '" PASSWORD "'");
    expect_no_password_in_log(relay);
    relay_stop(relay);
    free(conninfo);
    outbox_free(o);
}

/* ---- Kafka ---- */

static proc_fixture *relay_over(const outbox *o, const char *listener, const char *const *more)
{
    char ca[100], *brokers = kafka_fixture_listener(stage_kafka, listener);
    const char *flags[24] = {
        "--brokers",   brokers, "-X", ca, "-X", "broker.address.family=v4", "-X", "security.protocol=ssl",
        "--log-level", "debug"};
    snprintf(ca, sizeof ca, "ssl.ca.location=%s/ca.crt", directory);
    for (size_t n = 10; more && *more; more++)
        flags[n++] = *more;
    proc_fixture *relay = relay_start(o, flags);
    free(brokers);
    return relay;
}

static void a_broker_with_a_bad_certificate_gets_no_event(void **state)
{
    (void)state;
    static const char *const listeners[] = {"ELSEWHERE", "EXPIRED", "SELF"};
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 1);
    for (size_t i = 0; i < 3; i++) {
        proc_fixture *relay = relay_over(o, listeners[i], NULL);
        for (int attempt = 0; attempt < 2; attempt++)
            proc_fixture_expect_log(relay, "certificate verify failed", SOON_MS);
        assert_int_equal(pg_number(o->conn, "SELECT pending FROM postbus.backlog()"), 1);
        relay_kill(relay);
    }
    proc_fixture *relay = relay_over(o, "GOOD", NULL);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    relay_stop(relay);
    outbox_free(o);
}

/* librdkafka before 2.6.1 repeats its nonce in the last message of SCRAM, and Kafka 4 refuses that (librdkafka's pull request 4895). */
static bool scram_works(void)
{
    const char *kafka = getenv("POSTBUS_TEST_KAFKA_VERSION");
    return !kafka || atoi(kafka) < 4 || rd_kafka_version() >= 0x02060100;
}

static void a_wrong_sasl_password_is_told_and_gets_nothing_through(void **state)
{
    (void)state;
    if (!scram_works())
        skip();
    static const char *const sasl[] = {
        "-X", "security.protocol=sasl_ssl", "-X", "sasl.mechanism=SCRAM-SHA-512",
        "-X", "sasl.username=relay",        "-X", "sasl.password=" WRONG_PASSWORD,
        "-X", "debug=security,conf",        NULL};
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 1);
    proc_fixture *relay = relay_over(o, "SASL", sasl);
    for (int attempt = 0; attempt < 2; attempt++)
        proc_fixture_expect_log(relay, "SASL authentication error", SOON_MS);
    assert_int_equal(pg_number(o->conn, "SELECT pending FROM postbus.backlog()"), 1);
    expect_no_password_in_log(relay);
    relay_kill(relay);
    outbox_free(o);
}

/* ---- certificates of both sides ---- */

static char *with_certificate_of(const outbox *o, const char *name)
{
    char *text = NULL;
    if (asprintf(&text,
                 "host=localhost hostaddr=127.0.0.1 port=%d dbname=%s user=certified sslmode=verify-full "
                 "sslrootcert=%s/ca.crt sslcert=%s/%s.crt sslkey=%s/%s.key",
                 pg_fixture_port(stage_pg), o->database, directory, directory, name, directory, name) < 0)
        fail_msg("no memory");
    return text;
}

/* Of name, or of nobody. */
static proc_fixture *relay_certified(const outbox *o, const char *conninfo, const char *name)
{
    char certificate[200], key[200];
    snprintf(certificate, sizeof certificate, "ssl.certificate.location=%s/%s.crt", directory, name);
    snprintf(key, sizeof key, "ssl.key.location=%s/%s.key", directory, name);
    const char *const flags[] = {"--database", conninfo, "-X", certificate, "-X", key, NULL};
    static const char *const none[] = {NULL};
    return relay_over(o, "MUTUAL", name[0] ? flags : none);
}

static void a_broker_that_asks_for_a_certificate_gets_nothing_from_who_has_none_or_a_bad_one(void **state)
{
    (void)state;
    static const char *const names[] = {"", "self", "expired"};
    outbox *o = outbox_new();
    publish(o->conn, o->topic, NULL, 1);
    for (size_t i = 0; i < 3; i++) {
        proc_fixture *relay = relay_certified(o, o->conninfo, names[i]);
        for (int attempt = 0; attempt < 2; attempt++)
            proc_fixture_expect_log(relay, "alert", SOON_MS);
        assert_int_equal(pg_number(o->conn, "SELECT pending FROM postbus.backlog()"), 1);
        relay_kill(relay);
    }
    outbox_free(o);
}

static void an_event_flows_where_both_sides_show_certificates(void **state)
{
    (void)state;
    outbox *o = outbox_new();
    pg_run(o->conn, "GRANT postbus_relay TO certified");
    char *bad = with_certificate_of(o, "good"), *good = with_certificate_of(o, "certified");
    publish(o->conn, o->topic, NULL, 100);
    proc_fixture *relay = relay_certified(o, bad, "certified");
    proc_fixture_expect_log(relay, "certificate authentication failed for user", SOON_MS);
    relay_kill(relay);
    relay = relay_certified(o, good, "certified");
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(pg_number(o->conn,
                               "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE "
                               "s.client_dn = '/CN=certified' AND a.datname = current_database()"),
                     1);
    relay_stop(relay);
    free(good);
    free(bad);
    outbox_free(o);
}

static void an_event_flows_over_tls_and_sasl_with_secrets_from_a_file(void **state)
{
    (void)state;
    if (!scram_works())
        skip();
    char secret[120], from[200];
    snprintf(secret, sizeof secret, "%s/password", directory);
    text_file_write(secret, PASSWORD "\n");
    snprintf(from, sizeof from, "sasl.password_file=%s", secret);
    outbox *o = outbox_new();
    char *conninfo = over_tls(o, PASSWORD);
    const char *const flags[] = {"--database", conninfo,
                                 "-X",         "security.protocol=sasl_ssl",
                                 "-X",         "sasl.mechanism=SCRAM-SHA-512",
                                 "-X",         "sasl.username=relay",
                                 "-X",         from,
                                 "-X",         "debug=security,conf",
                                 NULL};
    proc_fixture *relay = relay_over(o, "SASL", flags);
    publish(o->conn, o->topic, NULL, 100);
    expect_drained(o);
    expect_each_arrived_once(o, o->topic);
    assert_int_equal(pg_number(o->conn,
                               "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE "
                               "s.ssl AND a.usename = 'relay' AND a.datname = current_database()"),
                     1);
    expect_no_password_in_log(relay);
    relay_stop(relay);
    free(conninfo);
    outbox_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_flows_over_tls_and_sasl_with_secrets_from_a_file),
        cmocka_unit_test(a_server_with_a_bad_certificate_is_refused_and_tried_again),
        cmocka_unit_test(a_wrong_password_is_named_by_its_user_and_tried_again),
        cmocka_unit_test(a_broker_with_a_bad_certificate_gets_no_event),
        cmocka_unit_test(a_wrong_sasl_password_is_told_and_gets_nothing_through),
        cmocka_unit_test(a_broker_that_asks_for_a_certificate_gets_nothing_from_who_has_none_or_a_bad_one),
        cmocka_unit_test(an_event_flows_where_both_sides_show_certificates),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
