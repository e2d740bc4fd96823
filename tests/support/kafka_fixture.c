/* Brings up real brokers by the script kafka-broker; never stops one that it did not start. */
#include "kafka_fixture.h"

#include "cmocka_all.h"
#include "kafka_admin.h"
#include "proc_fixture.h"
#include "wait_until.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT POSTBUS_SUPPORT_DIR "/kafka-broker"

enum { READY_DEADLINE_MS = 300000, STOP_DEADLINE_MS = 180000, SETTING_MS = 60000, MAX_ARGUMENTS = 80 };

struct kafka_fixture {
    bool own;
    bool ready;
    proc_fixture *broker;
    const char *argv[MAX_ARGUMENTS];
    char *settings[MAX_ARGUMENTS];
    size_t n_settings;
    char directory[80];
    char log_path[96];
    char brokers[256];
};

static kafka_fixture *allocate(void)
{
    kafka_fixture *kafka = calloc(1, sizeof *kafka);
    if (!kafka)
        fail_msg("no memory for a broker");
    return kafka;
}

kafka_fixture *kafka_fixture_new(const char *const *settings)
{
    return kafka_fixture_new_listening(NULL, settings);
}

kafka_fixture *kafka_fixture_of(const char *directory)
{
    kafka_fixture *kafka = allocate();
    kafka->own = true;
    snprintf(kafka->directory, sizeof kafka->directory, "%s", directory);
    snprintf(kafka->log_path, sizeof kafka->log_path, "%s/server.log", directory);
    kafka->argv[0] = SCRIPT;
    kafka->argv[1] = "run";
    kafka->argv[2] = kafka->directory;
    return kafka;
}

kafka_fixture *kafka_fixture_at(const char *brokers)
{
    kafka_fixture *kafka = allocate();
    snprintf(kafka->brokers, sizeof kafka->brokers, "%s", brokers);
    return kafka;
}

kafka_fixture *kafka_fixture_new_listening(const char *const *arguments, const char *const *settings)
{
    char directory[64];
    const char *folder = getenv("POSTBUS_TEST_TMP");
    snprintf(directory, sizeof directory, "%s/postbus-kafka.XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(directory))
        fail_msg("mkdtemp %s failed", directory);
    kafka_fixture *kafka = kafka_fixture_of(directory);
    size_t n = 3;
    for (; arguments && *arguments; arguments++) {
        assert_true(n + 1 < MAX_ARGUMENTS);
        kafka->argv[n++] = *arguments;
    }
    for (; settings && *settings; settings++) {
        assert_true(n + 2 < MAX_ARGUMENTS);
        char *copy = kafka->settings[kafka->n_settings++] = strdup(*settings);
        kafka->argv[n++] = "--set";
        kafka->argv[n++] = copy;
    }
    kafka_fixture_start(kafka);
    return kafka;
}

kafka_fixture *kafka_fixture_new_behind(net_proxy *proxy, const char *const *settings)
{
    char *listener = NULL;
    if (asprintf(&listener, "PROXY:PLAINTEXT:%d", net_proxy_port(proxy)) < 0)
        fail_msg("no memory for a listener");
    kafka_fixture *kafka =
        kafka_fixture_new_listening((const char *const[]){"--listener", listener, NULL}, settings);
    kafka->settings[kafka->n_settings++] = listener; /* freed with them */
    char *address = kafka_fixture_listener(kafka, "PROXY");
    net_proxy_aim(proxy, atoi(strchr(address, ':') + 1));
    free(address);
    return kafka;
}

kafka_fixture *kafka_fixture_shared(void)
{
    const char *brokers = getenv("POSTBUS_TEST_BROKERS");
    return brokers && *brokers ? kafka_fixture_at(brokers) : kafka_fixture_new(NULL);
}

static void read_brokers(kafka_fixture *kafka)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/brokers", kafka->directory);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%255s", kafka->brokers) != 1)
        fail_msg("%s does not say where the broker listens", path);
    fclose(file);
}

static void must_be_own(const kafka_fixture *kafka)
{
    if (!kafka->own)
        fail_msg("the broker of the whole run is not this test's to stop: take kafka_fixture_new");
}

void kafka_fixture_launch(kafka_fixture *kafka)
{
    must_be_own(kafka);
    if (kafka->broker)
        return;
    const proc_fixture_options options = {.log_path = kafka->log_path};
    kafka->ready = false;
    kafka->broker = proc_fixture_start(kafka->argv, &options);
}

void kafka_fixture_start(kafka_fixture *kafka)
{
    kafka_fixture_launch(kafka);
    if (kafka->ready)
        return;
    proc_fixture_expect_log(kafka->broker, "Kafka Server started", READY_DEADLINE_MS);
    read_brokers(kafka);
    kafka->ready = true;
}

static void end(kafka_fixture *kafka, int number)
{
    must_be_own(kafka);
    if (!kafka->broker)
        return;
    proc_fixture_end(kafka->broker, number, STOP_DEADLINE_MS);
    proc_fixture_free(kafka->broker);
    kafka->broker = NULL;
}

void kafka_fixture_stop(kafka_fixture *kafka)
{
    end(kafka, SIGTERM);
}

void kafka_fixture_kill(kafka_fixture *kafka)
{
    end(kafka, SIGKILL);
}

void kafka_fixture_freeze(kafka_fixture *kafka)
{
    must_be_own(kafka);
    proc_fixture_signal(kafka->broker, SIGSTOP);
}

void kafka_fixture_thaw(kafka_fixture *kafka)
{
    must_be_own(kafka);
    proc_fixture_signal(kafka->broker, SIGCONT);
}

void kafka_fixture_free(kafka_fixture *kafka)
{
    if (!kafka)
        return;
    if (kafka->own) {
        kafka_fixture_kill(kafka);
        proc_fixture_run((const char *const[]){"rm", "-rf", kafka->directory, NULL}, NULL, NULL,
                         STOP_DEADLINE_MS);
    }
    for (size_t i = 0; i < kafka->n_settings; i++)
        free(kafka->settings[i]);
    free(kafka);
}

char *kafka_fixture_listener(const kafka_fixture *kafka, const char *name)
{
    char path[PATH_MAX], address[256];
    snprintf(path, sizeof path, "%s/brokers.%s", kafka->directory, name);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%255s", address) != 1)
        fail_msg("there is no listener %s", name);
    fclose(file);
    return strdup(address);
}

const char *kafka_fixture_brokers(const kafka_fixture *kafka)
{
    return kafka->brokers;
}

void kafka_fixture_create_topic(const kafka_fixture *kafka, const char *topic, int n_partitions,
                                const char *const *config)
{
    char message[512];
    if (!kafka_admin_create_topic(kafka->brokers, topic, n_partitions, config, message, sizeof message))
        fail_msg("topic %s: %s", topic, message);
}

typedef struct growth {
    const kafka_fixture *kafka;
    const char *topic;
    int n_partitions;
} growth;

static bool has_grown(void *arg)
{
    const growth *g = arg;
    return kafka_admin_leader(g->kafka->brokers, g->topic, g->n_partitions - 1) >= 0;
}

/* The controller answers before the brokers know. */
void kafka_fixture_grow_topic(const kafka_fixture *kafka, const char *topic, int n_partitions)
{
    char message[512];
    growth g = {kafka, topic, n_partitions};
    if (!kafka_admin_grow_topic(kafka->brokers, topic, n_partitions, message, sizeof message))
        fail_msg("topic %s: %s", topic, message);
    if (!wait_until(has_grown, &g, SETTING_MS))
        fail_msg("topic %s does not get its %d partitions", topic, n_partitions);
}

void kafka_fixture_delete_topic(const kafka_fixture *kafka, const char *topic)
{
    char message[512];
    if (!kafka_admin_delete_topic(kafka->brokers, topic, message, sizeof message))
        fail_msg("topic %s: %s", topic, message);
}

/* ---- settings of a topic ---- */

/* A setting of no consequence to any test, whose value tells one change from the next. */
#define MARK "file.delete.delay.ms"

enum { MOST_SETTINGS = 10 };

typedef struct marked {
    const kafka_fixture *kafka;
    const char *topic;
    char value[24];
} marked;

static bool shows_mark(void *arg)
{
    const marked *m = arg;
    return kafka_admin_topic_has(m->kafka->brokers, m->topic, MARK, m->value);
}

static void configure_and_see(const kafka_fixture *kafka, const char *topic, const char *const *config)
{
    static atomic_uint count;
    char message[512], mark[64];
    const char *with_mark[MOST_SETTINGS + 2] = {mark};
    marked m = {.kafka = kafka, .topic = topic};
    snprintf(m.value, sizeof m.value, "%u", 60001 + atomic_fetch_add(&count, 1));
    snprintf(mark, sizeof mark, MARK "=%s", m.value);
    for (int i = 0; config && config[i]; i++) {
        assert_in_range(i, 0, MOST_SETTINGS - 1);
        with_mark[i + 1] = config[i];
    }
    if (!kafka_admin_configure_topic(kafka->brokers, topic, with_mark, message, sizeof message))
        fail_msg("topic %s: %s", topic, message);
    if (!wait_until(shows_mark, &m, SETTING_MS))
        fail_msg("topic %s: the broker never shows its new settings", topic);
}

/* The controller answers before the broker knows, and the broker shows what it knows just before it acts by it. It takes changes one after the
 * other: when it shows a second one, it acts by the first. */
void kafka_fixture_configure_topic(const kafka_fixture *kafka, const char *topic, const char *const *config)
{
    configure_and_see(kafka, topic, config);
    configure_and_see(kafka, topic, config);
}

char *kafka_fixture_new_name(const char *base)
{
    static atomic_uint count;
    char *name = NULL;
    if (asprintf(&name, "%s-%d-%lld-%u", base, (int)getpid(), (long long)wait_now_ms(),
                 atomic_fetch_add(&count, 1)) < 0)
        fail_msg("no memory for a topic's name");
    return name;
}

char *kafka_fixture_new_topic(const kafka_fixture *kafka, const char *base, int n_partitions,
                              const char *const *config)
{
    char *name = kafka_fixture_new_name(base);
    kafka_fixture_create_topic(kafka, name, n_partitions, config);
    return name;
}
