/* Creates, grows, configures and deletes topics for tests; waits for the broker's answer and never retries by itself. */
#include "kafka_admin.h"

#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

enum { ANSWER_MS = 120000 };

static rd_kafka_t *connect_admin(const char *brokers, char *message, size_t message_size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_t *admin = rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, message_size);
    if (!admin)
        rd_kafka_conf_destroy(conf);
    return admin;
}

/* Calls set(name, value) for each "name=value". */
typedef rd_kafka_resp_err_t set_config(void *subject, const char *name, const char *value);

static bool for_each(const char *const *config, set_config *set, void *subject, char *message,
                     size_t message_size)
{
    for (; config && *config; config++) {
        char name[200];
        const char *value = strchr(*config, '=');
        if (!value || (size_t)(value - *config) >= sizeof name) {
            snprintf(message, message_size, "'%s' is not name=value", *config);
            return false;
        }
        snprintf(name, sizeof name, "%.*s", (int)(value - *config), *config);
        if (set(subject, name, value + 1) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            snprintf(message, message_size, "'%s' is refused", *config);
            return false;
        }
    }
    return true;
}

static rd_kafka_resp_err_t set_new_topic(void *subject, const char *name, const char *value)
{
    return rd_kafka_NewTopic_set_config(subject, name, value);
}

static rd_kafka_resp_err_t set_resource(void *subject, const char *name, const char *value)
{
    return rd_kafka_ConfigResource_set_config(subject, name, value);
}

/* Whether the one topic of the answer was served. */
static bool topic_served(const rd_kafka_topic_result_t **results, size_t n, char *message,
                         size_t message_size)
{
    for (size_t i = 0; i < n; i++) {
        if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            snprintf(message, message_size, "%s", rd_kafka_topic_result_error_string(results[i]));
            return false;
        }
    }
    return true;
}

static bool judge(rd_kafka_event_t *event, char *message, size_t message_size)
{
    if (!event) {
        snprintf(message, message_size, "no answer in %d ms", ANSWER_MS);
        return false;
    }
    if (rd_kafka_event_error(event)) {
        snprintf(message, message_size, "%s", rd_kafka_event_error_string(event));
        return false;
    }
    size_t n = 0;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT: {
        const rd_kafka_CreateTopics_result_t *created = rd_kafka_event_CreateTopics_result(event);
        const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(created, &n);
        return topic_served(topics, n, message, message_size);
    }
    case RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT: {
        const rd_kafka_CreatePartitions_result_t *grown = rd_kafka_event_CreatePartitions_result(event);
        const rd_kafka_topic_result_t **topics = rd_kafka_CreatePartitions_result_topics(grown, &n);
        return topic_served(topics, n, message, message_size);
    }
    case RD_KAFKA_EVENT_DELETETOPICS_RESULT: {
        const rd_kafka_DeleteTopics_result_t *deleted = rd_kafka_event_DeleteTopics_result(event);
        const rd_kafka_topic_result_t **topics = rd_kafka_DeleteTopics_result_topics(deleted, &n);
        return topic_served(topics, n, message, message_size);
    }
    case RD_KAFKA_EVENT_DELETEGROUPS_RESULT: {
        const rd_kafka_group_result_t **groups =
            rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &n);
        const rd_kafka_error_t *error = n > 0 ? rd_kafka_group_result_error(groups[0]) : NULL;
        if (error)
            snprintf(message, message_size, "%s", rd_kafka_error_string(error));
        return !error;
    }
    case RD_KAFKA_EVENT_CREATEACLS_RESULT: {
        const rd_kafka_acl_result_t **acls =
            rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &n);
        const rd_kafka_error_t *error = n > 0 ? rd_kafka_acl_result_error(acls[0]) : NULL;
        if (error)
            snprintf(message, message_size, "%s", rd_kafka_error_string(error));
        return !error;
    }
    default: {
        const rd_kafka_AlterConfigs_result_t *altered = rd_kafka_event_AlterConfigs_result(event);
        const rd_kafka_ConfigResource_t **resources = rd_kafka_AlterConfigs_result_resources(altered, &n);
        for (size_t i = 0; i < n; i++) {
            if (rd_kafka_ConfigResource_error(resources[i])) {
                snprintf(message, message_size, "%s", rd_kafka_ConfigResource_error_string(resources[i]));
                return false;
            }
        }
        return true;
    }
    }
}

/* Waits for the answer to what was asked on the queue, and releases both and the connection. */
static bool finish(rd_kafka_t *admin, rd_kafka_queue_t *queue, char *message, size_t message_size)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS);
    bool good = judge(event, message, message_size);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(admin);
    return good;
}

/* Takes wanted. */
static bool create(const char *brokers, rd_kafka_NewTopic_t *wanted, char *message, size_t message_size)
{
    rd_kafka_t *admin = connect_admin(brokers, message, message_size);
    bool good = false;
    if (admin) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
        rd_kafka_CreateTopics(admin, &wanted, 1, NULL, queue);
        good = finish(admin, queue, message, message_size);
    }
    rd_kafka_NewTopic_destroy(wanted);
    return good;
}

bool kafka_admin_create_replicated_topic(const char *brokers, const char *topic, int n_partitions,
                                         int n_replicas, const char *const *config, char *message,
                                         size_t message_size)
{
    rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(topic, n_partitions, n_replicas, message, message_size);
    if (!wanted)
        return false;
    if (for_each(config, set_new_topic, wanted, message, message_size))
        return create(brokers, wanted, message, message_size);
    rd_kafka_NewTopic_destroy(wanted);
    return false;
}

bool kafka_admin_create_topic(const char *brokers, const char *topic, int n_partitions,
                              const char *const *config, char *message, size_t message_size)
{
    return kafka_admin_create_replicated_topic(brokers, topic, n_partitions, 1, config, message,
                                               message_size);
}

bool kafka_admin_place_topic(const char *brokers, const char *topic, const int32_t *nodes, int n_partitions,
                             char *message, size_t message_size)
{
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, n_partitions, -1, message, message_size);
    if (!wanted)
        return false;
    for (int32_t i = 0; i < n_partitions; i++) {
        int32_t node = nodes[i];
        if (rd_kafka_NewTopic_set_replica_assignment(wanted, i, &node, 1, message, message_size)) {
            rd_kafka_NewTopic_destroy(wanted);
            return false;
        }
    }
    return create(brokers, wanted, message, message_size);
}

bool kafka_admin_allow(const char *brokers, const char *user, int resource, const char *name, int operation,
                       char *message, size_t message_size)
{
    char principal[100];
    snprintf(principal, sizeof principal, "User:%s", user);
    bool of_topic = resource == RD_KAFKA_RESOURCE_TOPIC;
    rd_kafka_AclBinding_t *acl = rd_kafka_AclBinding_new(
        (rd_kafka_ResourceType_t)resource, name ? name : "kafka-cluster",
        of_topic ? RD_KAFKA_RESOURCE_PATTERN_PREFIXED : RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal, "*",
        (rd_kafka_AclOperation_t)operation, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, message, message_size);
    rd_kafka_t *admin = acl ? connect_admin(brokers, message, message_size) : NULL;
    bool good = false;
    if (admin) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
        rd_kafka_CreateAcls(admin, &acl, 1, NULL, queue);
        good = finish(admin, queue, message, message_size);
    }
    if (acl)
        rd_kafka_AclBinding_destroy(acl);
    return good;
}

int32_t kafka_admin_leader(const char *brokers, const char *topic, int32_t partition)
{
    char message[256];
    int32_t leader = -1;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_t *admin = connect_admin(brokers, message, sizeof message);
    rd_kafka_topic_t *handle = admin ? rd_kafka_topic_new(admin, topic, NULL) : NULL;
    if (handle && rd_kafka_metadata(admin, 0, handle, &metadata, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (metadata->topic_cnt == 1 && partition < metadata->topics[0].partition_cnt)
            leader = metadata->topics[0].partitions[partition].leader;
        rd_kafka_metadata_destroy(metadata);
    }
    if (handle)
        rd_kafka_topic_destroy(handle);
    if (admin)
        rd_kafka_destroy(admin);
    return leader;
}

bool kafka_admin_configure_topic(const char *brokers, const char *topic, const char *const *config,
                                 char *message, size_t message_size)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_t *admin = NULL;
    if (for_each(config, set_resource, resource, message, message_size))
        admin = connect_admin(brokers, message, message_size);
    bool good = false;
    if (admin) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
        rd_kafka_AlterConfigs(admin, &resource, 1, NULL, queue);
        good = finish(admin, queue, message, message_size);
    }
    rd_kafka_ConfigResource_destroy(resource);
    return good;
}

static bool shows(const rd_kafka_event_t *event, const char *name, const char *value)
{
    size_t n_resources = 0, n = 0;
    const rd_kafka_DescribeConfigs_result_t *result =
        rd_kafka_event_DescribeConfigs_result((void *)(uintptr_t)event);
    const rd_kafka_ConfigResource_t **resources =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &n_resources) : NULL;
    const rd_kafka_ConfigEntry_t **entries =
        n_resources == 1 ? rd_kafka_ConfigResource_configs(resources[0], &n) : NULL;
    for (size_t i = 0; i < n; i++) {
        const char *shown = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return shown && strcmp(shown, value) == 0;
    }
    return false;
}

bool kafka_admin_topic_has(const char *brokers, const char *topic, const char *name, const char *value)
{
    char message[256];
    rd_kafka_t *admin = connect_admin(brokers, message, sizeof message);
    if (!admin)
        return false;
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_DescribeConfigs(admin, &resource, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS);
    bool has = event && shows(event, name, value);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(admin);
    return has;
}

bool kafka_admin_grow_topic(const char *brokers, const char *topic, int n_partitions, char *message,
                            size_t message_size)
{
    rd_kafka_NewPartitions_t *wanted =
        rd_kafka_NewPartitions_new(topic, (size_t)n_partitions, message, message_size);
    rd_kafka_t *admin = wanted ? connect_admin(brokers, message, message_size) : NULL;
    bool good = false;
    if (admin) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
        rd_kafka_CreatePartitions(admin, &wanted, 1, NULL, queue);
        good = finish(admin, queue, message, message_size);
    }
    if (wanted)
        rd_kafka_NewPartitions_destroy(wanted);
    return good;
}

bool kafka_admin_delete_topic(const char *brokers, const char *topic, char *message, size_t message_size)
{
    rd_kafka_t *admin = connect_admin(brokers, message, message_size);
    if (!admin)
        return false;
    rd_kafka_DeleteTopic_t *unwanted = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_DeleteTopics(admin, &unwanted, 1, NULL, queue);
    bool good = finish(admin, queue, message, message_size);
    rd_kafka_DeleteTopic_destroy(unwanted);
    return good;
}

bool kafka_admin_delete_group(const char *brokers, const char *group, char *message, size_t message_size)
{
    rd_kafka_t *admin = connect_admin(brokers, message, message_size);
    if (!admin)
        return false;
    rd_kafka_DeleteGroup_t *unwanted = rd_kafka_DeleteGroup_new(group);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
    rd_kafka_DeleteGroups(admin, &unwanted, 1, NULL, queue);
    bool good = finish(admin, queue, message, message_size);
    rd_kafka_DeleteGroup_destroy(unwanted);
    return good;
}
