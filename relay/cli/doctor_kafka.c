/* The checks that ask the brokers; must never create a topic by asking for it, nor publish anything. */
#include "doctor_topic.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 10000
#define STEP_MS 1000

/* What librdkafka says of the connections; it writes there as long as there is a client. */
static struct heard {
    char said[512];
    bool all_down;
} heard;

static void keep_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    (void)rk;
    (void)opaque;
    bool all_down = err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    heard.all_down |= all_down;
    if (!all_down || heard.said[0] == '\0')
        snprintf(heard.said, sizeof heard.said, "%s", reason);
}

static void quiet(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

/* A producer with the relay's own settings, so that TLS and SASL are tried as the relay would. */
static rd_kafka_t *connect_to(const config *cfg)
{
    char *said = heard.said;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool ok = true;
    for (size_t i = 0; ok && i < cfg->n_kafka; i++)
        ok = rd_kafka_conf_set(conf, cfg->kafka[i].name, cfg->kafka[i].value, said, 512) == RD_KAFKA_CONF_OK;
    ok = ok && rd_kafka_conf_set(conf, "bootstrap.servers", cfg->brokers, said, 512) == RD_KAFKA_CONF_OK &&
         rd_kafka_conf_set(conf, "client.id", "postbus-doctor", said, 512) == RD_KAFKA_CONF_OK &&
         rd_kafka_conf_set(conf, "allow.auto.create.topics", "false", said, 512) == RD_KAFKA_CONF_OK;
    rd_kafka_conf_set_log_cb(conf, quiet);
    rd_kafka_conf_set_error_cb(conf, keep_error);
    rd_kafka_t *rk = ok ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, 512) : NULL;
    if (!rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

/* All topics at once. In short steps: with every broker down there is no use in waiting on. */
static rd_kafka_resp_err_t ask_metadata(doctor *d)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TRANSPORT;
    for (int waited_ms = 0; waited_ms < ANSWER_MS && err != RD_KAFKA_RESP_ERR_NO_ERROR && !heard.all_down;
         waited_ms += STEP_MS) {
        err = rd_kafka_metadata(d->kafka, 1, NULL, &d->metadata, STEP_MS);
        rd_kafka_poll(d->kafka, 0);
    }
    return err;
}

void doctor_brokers(doctor *d, const doctor_check *check)
{
    if (!d->c->cfg.brokers[0]) {
        doctor_report_add(&d->report, check, DOCTOR_SKIPPED, "not looked at: no --brokers is given", NULL,
                          NULL);
        return;
    }
    heard = (struct heard){.said = ""};
    d->kafka = connect_to(&d->c->cfg);
    if (!d->kafka) {
        doctor_report_add(&d->report, check, DOCTOR_ERROR, heard.said, NULL, NULL);
        return;
    }
    rd_kafka_resp_err_t err = ask_metadata(d);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        doctor_tell(&d->report, check->name, DOCTOR_OK, "%d brokers, %d topics that we may see",
                    d->metadata->broker_cnt, d->metadata->topic_cnt);
        return;
    }
    doctor_report_add(&d->report, check, DOCTOR_ERROR, heard.said[0] ? heard.said : rd_kafka_err2str(err),
                      NULL, NULL);
    rd_kafka_destroy(d->kafka);
    d->kafka = NULL;
}

void doctor_kafka_tls(doctor *d, const doctor_check *check)
{
    (void)check;
    doctor_judge_kafka_tls(&d->report, &d->c->cfg);
}

/* ---- topics ---- */

static const struct rd_kafka_metadata_topic *metadata_of(const struct rd_kafka_metadata *all,
                                                         const char *name)
{
    for (int i = 0; all && i < all->topic_cnt; i++)
        if (strcmp(all->topics[i].topic, name) == 0)
            return &all->topics[i];
    return NULL;
}

static void take_metadata(topic_facts *t, const struct rd_kafka_metadata_topic *m)
{
    t->refused = m && m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    t->exists = m && m->partition_cnt > 0;
    t->n_partitions = m ? m->partition_cnt : 0;
    for (int i = 0; i < t->n_partitions; i++) {
        t->n_leaderless += m->partitions[i].leader < 0;
        if (i == 0 || m->partitions[i].replica_cnt < t->replicas)
            t->replicas = m->partitions[i].replica_cnt;
    }
}

/* Asks for a topic that is not among all: they leave out what we may not Describe. Whether there was an answer. */
static bool ask_by_name(const doctor *d, topic_facts *t)
{
    const struct rd_kafka_metadata *answer = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(d->kafka, t->name, NULL);
    if (!topic) /* no topic can have such a name */
        return true;
    bool answered = rd_kafka_metadata(d->kafka, 0, topic, &answer, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (answered) {
        take_metadata(t, metadata_of(answer, t->name));
        rd_kafka_metadata_destroy(answer);
    }
    rd_kafka_topic_destroy(topic);
    return answered;
}

/* Brokers that leave one question unanswered are asked no other: each would take as long. */
static void find_all(const doctor *d, topic_facts *topics, size_t n)
{
    bool answer = true;
    for (topic_facts *t = topics; t < topics + n; t++) {
        const struct rd_kafka_metadata_topic *m = metadata_of(d->metadata, t->name);
        t->created = d->c->cfg.create_topics;
        if (m)
            take_metadata(t, m);
        else
            t->unanswered = !(answer = answer && ask_by_name(d, t));
    }
}

static void take_setting(topic_facts *t, const char *name, const char *value)
{
    if (strcmp(name, "min.insync.replicas") == 0)
        t->min_insync = strtoll(value, NULL, 10);
    else if (strcmp(name, "max.message.bytes") == 0)
        t->max_message_bytes = strtoll(value, NULL, 10);
    else if (strcmp(name, "retention.ms") == 0)
        t->retention_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "cleanup.policy") == 0)
        t->compacted = strstr(value, "compact") != NULL;
    else if (strcmp(name, "unclean.leader.election.enable") == 0)
        t->unclean = strcmp(value, "true") == 0;
}

static void take_description(topic_facts *topics, size_t n, const rd_kafka_ConfigResource_t *resource)
{
    const char *name = rd_kafka_ConfigResource_name(resource);
    topic_facts *t = topics;
    while (t < topics + n && strcmp(t->name, name) != 0)
        t++;
    if (t == topics + n || rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t n_entries;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n_entries);
    for (size_t i = 0; i < n_entries; i++)
        if (rd_kafka_ConfigEntry_value(entries[i]))
            take_setting(t, rd_kafka_ConfigEntry_name(entries[i]), rd_kafka_ConfigEntry_value(entries[i]));
    t->described = n_entries > 0;
}

static void ask_descriptions(const doctor *d, const topic_facts *topics, size_t n, rd_kafka_queue_t *queue)
{
    char errstr[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(d->kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, errstr, sizeof errstr);
    if (d->metadata->broker_cnt > 0)
        rd_kafka_AdminOptions_set_broker(options, d->metadata->brokers[0].id, errstr, sizeof errstr);
    rd_kafka_ConfigResource_t **resources = calloc(n, sizeof(rd_kafka_ConfigResource_t *));
    size_t n_resources = 0;
    for (size_t i = 0; resources && i < n; i++)
        if (topics[i].exists)
            resources[n_resources++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i].name);
    if (n_resources > 0)
        rd_kafka_DescribeConfigs(d->kafka, resources, n_resources, options, queue);
    rd_kafka_ConfigResource_destroy_array(resources, n_resources);
    free(resources);
    rd_kafka_AdminOptions_destroy(options);
}

static void describe(const doctor *d, topic_facts *topics, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any |= topics[i].exists;
    if (!any)
        return;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(d->kafka);
    ask_descriptions(d, topics, n, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS + 1000);
    const rd_kafka_DescribeConfigs_result_t *result =
        event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    if (result && !rd_kafka_event_error(event)) {
        size_t n_resources;
        const rd_kafka_ConfigResource_t **resources =
            rd_kafka_DescribeConfigs_result_resources(result, &n_resources);
        for (size_t i = 0; i < n_resources; i++)
            take_description(topics, n, resources[i]);
    }
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

enum topic_column { T_TOPIC, T_WAITS, T_OLDEST_S, T_KEYLESS };
enum limit_column { LIMIT_VALUE, LIMIT_KEY, LIMIT_HEADERS };

static int64_t number_at(const PGresult *rows, int row, int column)
{
    return strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

static bool is_among(const topic_facts *topics, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(topics[i].name, name) == 0)
            return true;
    return false;
}

/* The topics of the rows and those that were named, each once; returns how many. */
static size_t collect(const doctor *d, const PGresult *rows, topic_facts *topics)
{
    size_t n = 0;
    for (int row = 0; rows && row < PQntuples(rows); row++)
        topics[n++] = (topic_facts){.name = PQgetvalue(rows, row, T_TOPIC),
                                    .seen = true,
                                    .waits = PQgetvalue(rows, row, T_WAITS)[0] == 't',
                                    .oldest_s = number_at(rows, row, T_OLDEST_S),
                                    .keyless = PQgetvalue(rows, row, T_KEYLESS)[0] == 't',
                                    .retention_ms = -1};
    for (size_t i = 0; i < d->c->n_given; i++) {
        const given_option *given = &d->c->given[i];
        if (strcmp(given->option->name, "topic") == 0 && !is_among(topics, n, given->value))
            topics[n++] = (topic_facts){.name = given->value, .retention_ms = -1};
    }
    return n;
}

static void judge(doctor *d, topic_facts *topics, size_t n)
{
    char sqlstate[6] = "", message[512] = "";
    bool schema = d->conn && !d->no_schema;
    PGresult *row = schema ? doctor_ask(d, "doctor_limits", sqlstate, message, sizeof message) : NULL;
    event_limits limits = {0};
    if (row)
        limits = (event_limits){number_at(row, 0, LIMIT_VALUE), number_at(row, 0, LIMIT_KEY),
                                number_at(row, 0, LIMIT_HEADERS)};
    find_all(d, topics, n);
    describe(d, topics, n);
    for (size_t i = 0; i < n; i++)
        doctor_judge_topic(&d->report, &topics[i], row ? &limits : NULL);
    PQclear(row);
}

/* NULL: the reason was told. */
static PGresult *ask_topics(doctor *d, const doctor_check *check)
{
    char sqlstate[6] = "", message[512] = "";
    if (!d->conn || d->no_schema) {
        doctor_report_add(&d->report, check, DOCTOR_SKIPPED,
                          "not looked at: which topics have events is known by the database", NULL, NULL);
        return NULL;
    }
    PGresult *rows = doctor_ask(d, "doctor_topics", sqlstate, message, sizeof message);
    if (!rows)
        doctor_report_add(&d->report, check, DOCTOR_WARNING, message,
                          "What the role may not see cannot be checked.",
                          "Run the doctor as the relay's role, and GRANT postbus_relay TO it.");
    return rows;
}

void doctor_topics(doctor *d, const doctor_check *check)
{
    PGresult *rows = ask_topics(d, check);
    size_t most = (rows ? (size_t)PQntuples(rows) : 0) + d->c->n_given;
    topic_facts *topics = calloc(most ? most : 1, sizeof *topics);
    size_t n = topics ? collect(d, rows, topics) : 0;
    if (!topics)
        doctor_report_add(&d->report, check, DOCTOR_WARNING, "out of memory", NULL, NULL);
    else if (n > 0)
        judge(d, topics, n);
    else if (rows)
        doctor_report_add(
            &d->report, check, DOCTOR_SKIPPED,
            "no topic has waiting or recent events; --topic TOPIC looks at one before its first", NULL, NULL);
    free(topics);
    PQclear(rows);
}
