/* What exactly-once delivery needs of the brokers; must never initialise the outbox's transactions, which would fence the relay that leads. */
#include "doctor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define ANSWER_MS 10000
#define AGAIN_MS 100
#define GOOD_REPLICAS 3
#define LEAST_RETENTION_MIN                                                                                  \
    720 /* postbus.resolve(): of an intent that is younger, a position that is missing was never there */

static const char *const internal_topics[] = {"__transaction_state", "__consumer_offsets"};

static void quiet(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static rd_kafka_t *join_nothing(const doctor *d, const char *group)
{
    char said[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(d->kafka));
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set_log_cb(conf, quiet);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, said, sizeof said);
    if (!rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

static rd_kafka_resp_err_t ask_once(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "__consumer_offsets", 0);
    rd_kafka_resp_err_t err = rd_kafka_committed(rk, list, ANSWER_MS);
    if (!err)
        err = list->elems[0].err;
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

static bool is_for_good(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* The group's position for the partition the relay uses. Where nobody has asked for a group before, the brokers make the topic first. */
static rd_kafka_resp_err_t ask_position(const doctor *d, const char *group)
{
    rd_kafka_t *rk = join_nothing(d, group);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__FAIL;
    int64_t until_us = clock_now_us() + ANSWER_MS * 1000;
    while (rk && (err = ask_once(rk)) && !is_for_good(err) && clock_now_us() < until_us)
        rd_kafka_poll(rk, AGAIN_MS);
    if (rk)
        rd_kafka_destroy(rk);
    return err;
}

static void judge_position(doctor *d, const char *group, rd_kafka_resp_err_t err)
{
    static const char check[] = "kafka.transactions";
    if (!err)
        doctor_tell(
            &d->report, check, DOCTOR_OK,
            "the position of the group %s can be read; whether we may use the transactional id %s cannot "
            "be tried without fencing the relay",
            group, group);
    else if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        doctor_tell(&d->report, check, DOCTOR_ERROR, "we may not Read the topic __consumer_offsets");
    else
        doctor_tell(&d->report, check, DOCTOR_ERROR, "the position of the group %s cannot be read: %s", group,
                    rd_kafka_err2str(err));
}

static void judge_replicas(doctor *d, const struct rd_kafka_metadata_topic *topic)
{
    int fewest = GOOD_REPLICAS;
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].replica_cnt < fewest)
            fewest = topic->partitions[i].replica_cnt;
    if (fewest < GOOD_REPLICAS)
        doctor_tell(&d->report, "kafka.transactions", DOCTOR_WARNING,
                    "%s has partitions with %d replicas: what it loses, no transaction survives",
                    topic->topic, fewest);
}

/* -1: it is not among them. */
static int64_t retention_in(const rd_kafka_ConfigResource_t *broker)
{
    size_t n_entries;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(broker, &n_entries);
    for (size_t i = 0; i < n_entries; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "offsets.retention.minutes") == 0)
            return strtoll(value, NULL, 10);
    }
    return -1;
}

static rd_kafka_event_t *describe_broker(const doctor *d, int32_t id)
{
    char name[12], said[256];
    snprintf(name, sizeof name, "%d", (int)id);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(d->kafka);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(d->kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *broker = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, name);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, said, sizeof said);
    rd_kafka_DescribeConfigs(d->kafka, &broker, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS + 1000);
    rd_kafka_ConfigResource_destroy(broker);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return event;
}

/* -1: the broker does not tell. */
static int64_t ask_retention(const doctor *d, int32_t id)
{
    int64_t minutes = -1;
    rd_kafka_event_t *event = describe_broker(d, id);
    const rd_kafka_DescribeConfigs_result_t *result =
        event && !rd_kafka_event_error(event) ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    if (result) {
        size_t n;
        const rd_kafka_ConfigResource_t **all = rd_kafka_DescribeConfigs_result_resources(result, &n);
        minutes = n == 1 ? retention_in(all[0]) : -1;
    }
    if (event)
        rd_kafka_event_destroy(event);
    return minutes;
}

/* Whoever does not tell it of one broker tells it of none. */
static void judge_retention(doctor *d)
{
    static const char check[] = "kafka.transactions";
    for (int i = 0; i < d->metadata->broker_cnt; i++) {
        int32_t id = d->metadata->brokers[i].id;
        int64_t minutes = ask_retention(d, id);
        if (minutes < 0) {
            doctor_tell(&d->report, check, DOCTOR_SKIPPED,
                        "offsets.retention.minutes, which must be %d at least, cannot be read; that takes "
                        "DescribeConfigs on the cluster",
                        LEAST_RETENTION_MIN);
            return;
        }
        if (minutes < LEAST_RETENTION_MIN)
            doctor_tell(&d->report, check, DOCTOR_ERROR,
                        "offsets.retention.minutes of broker %d is %" PRId64 ", below %d", (int)id, minutes,
                        LEAST_RETENTION_MIN);
    }
}

void doctor_transactions(doctor *d, const doctor_check *check)
{
    char message[256], sqlstate[6] = "", group[64];
    if (d->c->cfg.delivery != DELIVERY_EXACTLY_ONCE) {
        doctor_report_add(&d->report, check, DOCTOR_OK, "not used: delivery is at_least_once", NULL, NULL);
        return;
    }
    PGresult *res =
        d->no_schema || !d->conn ? NULL : doctor_ask(d, "doctor_outbox", sqlstate, message, sizeof message);
    if (!res || PQntuples(res) != 1) {
        doctor_report_add(&d->report, check, DOCTOR_SKIPPED, "not looked at: the outbox's id is not known",
                          NULL, NULL);
        PQclear(res);
        return;
    }
    snprintf(group, sizeof group, "postbus-%s", PQgetvalue(res, 0, 0));
    PQclear(res);
    judge_position(d, group, ask_position(d, group));
    judge_retention(d);
    for (int i = 0; i < d->metadata->topic_cnt; i++)
        for (size_t k = 0; k < sizeof internal_topics / sizeof internal_topics[0]; k++)
            if (strcmp(d->metadata->topics[i].topic, internal_topics[k]) == 0)
                judge_replicas(d, &d->metadata->topics[i]);
}
