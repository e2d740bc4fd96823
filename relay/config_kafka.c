/* Checks the settings handed through to librdkafka; never talks to a broker and never sets up the producer itself. */
#include "config_kafka.h"

#include "config.h"
#include "config_load.h"
#include "nearest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECRET_FILE "_file"

const kafka_rule kafka_rules[] = {
    {"bootstrap.servers metadata.broker.list", NULL, NULL,
     "the brokers are given by brokers (--brokers, POSTBUS_BROKERS)"},
    {"enable.idempotence", "true", NULL,
     "without idempotence a retry can write an event twice or out of order"},
    {"acks request.required.acks", "all -1", NULL,
     "an event counts as published only when all in-sync replicas have it"},
    {"max.in.flight.requests.per.connection max.in.flight", "1", NULL,
     "with more requests in flight librdkafka can report a record as delivered that was never written, and a "
     "refused record is "
     "overtaken by later ones"},
    {"enable.gapless.guarantee", "true", NULL,
     "without it a failed record leaves a gap and later events overtake it"},
    {"message.timeout.ms delivery.timeout.ms", "0", NULL,
     "a record that times out leaves a gap; committed events are kept and tried for as long as it takes"},
    {"message.send.max.retries retries", NULL, NULL,
     "the number of retries is not limited: an event is tried until it is written"},
    {"queuing.strategy", "fifo", NULL, "another order of the queue breaks the order of a key's events"},
    {"delivery.report.only.error", "false", NULL, "the relay records progress by the reports of success"},
    {"dr_cb dr_msg_cb", NULL, NULL, "the relay reads the delivery reports itself"},
    {"enabled_events", NULL, NULL, "the relay chooses the events it reads"},
    {"log.queue", "false", NULL, "the relay reads librdkafka's log by a callback"},
    {"transactional.id", NULL, NULL, "the relay takes one of its own: delivery = exactly_once"},
    {"partitioner", NULL, "random", "a random partition for every record breaks the order of a key's events"},
    {"partitioner_cb msg_order_cmp", NULL, NULL, "it is set by code only"},
    {"topic.blacklist", NULL, NULL, "events for a hidden topic would wait for ever"},
    {"api.version.request", "true", NULL,
     "idempotence and headers need the brokers' versions to be asked for"},
    {"api.version.fallback.ms broker.version.fallback", NULL, NULL,
     "idempotence and headers need the brokers' versions to be asked for"},
    {"internal.termination.signal", NULL, NULL, "the relay's signals are its own"},
    {NULL, NULL, NULL, NULL},
};

static bool is_word_of(const char *word, const char *words)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strcasestr(at, word)) != NULL; at += length ? length : 1)
        if (length > 0 && (at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

const char *kafka_refusal(const char *name, const char *value)
{
    for (const kafka_rule *rule = kafka_rules; rule->names; rule++) {
        if (!is_word_of(name, rule->names))
            continue;
        bool fine = rule->accepted ? is_word_of(value, rule->accepted)
                                   : (rule->refused && !is_word_of(value, rule->refused));
        return fine ? NULL : rule->reason;
    }
    return NULL;
}

bool config_kafka_is_secret(const char *name)
{
    static const char *const parts[] = {"password",           "secret",       "key.pem", "ssl_key",
                                        "oauthbearer.config", "keystore.pem", NULL};
    for (size_t i = 0; parts[i]; i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

static bool names_grow(kafka_names *names)
{
    char **settings = realloc(names->settings, (names->n + 1) * sizeof *settings);
    if (!settings)
        return false;
    names->settings = settings;
    char **only_names = realloc(names->names, (names->n + 1) * sizeof *only_names);
    if (!only_names)
        return false;
    names->names = only_names;
    char *roles = realloc(names->roles, names->n + 1);
    if (!roles)
        return false;
    names->roles = roles;
    return true;
}

static bool names_add(kafka_names *names, const char *name, char role)
{
    if (kafka_names_find(names, name) < names->n)
        return true;
    char *setting;
    if (!names_grow(names) || asprintf(&setting, CONFIG_KAFKA_PREFIX "%s", name) < 0)
        return false;
    names->settings[names->n] = setting;
    names->names[names->n] = setting + strlen(CONFIG_KAFKA_PREFIX);
    names->roles[names->n++] = role;
    return true;
}

/* A row of librdkafka's own table: "linger.ms   |  P  | 0 .. 900000 | …". */
static bool read_row(kafka_names *names, char *line)
{
    char name[128], role;
    if (sscanf(line, "%127[a-z0-9._] | %c |", name, &role) != 2 || strchr("CP*", role) == NULL)
        return true;
    char file[128 + sizeof SECRET_FILE];
    snprintf(file, sizeof file, "%s" SECRET_FILE, name);
    bool secret = role != 'C' && config_kafka_is_secret(name);
    return names_add(names, name, role) && (!secret || names_add(names, file, 'F'));
}

static bool names_read(kafka_names *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return false;
    rd_kafka_conf_properties_show(to);
    fclose(to);
    bool ok = text != NULL;
    char *rest = NULL;
    for (char *line = ok ? strtok_r(text, "\n", &rest) : NULL; line && ok; line = strtok_r(NULL, "\n", &rest))
        ok = read_row(out, line);
    free(text);
    return ok;
}

static kafka_names known;
static bool known_are_whole;

static void read_known(void)
{
    known_are_whole = names_read(&known);
}

const kafka_names *kafka_names_known(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_known);
    return known_are_whole ? &known : NULL;
}

size_t kafka_names_find(const kafka_names *names, const char *name)
{
    size_t i = 0;
    while (i < names->n && strcmp(names->names[i], name) != 0)
        i++;
    return i;
}

bool kafka_names_is_file(const kafka_names *names, const char *name)
{
    size_t at = kafka_names_find(names, name);
    return at < names->n && names->roles[at] == 'F';
}

static void explain_unknown(const kafka_names *names, const char *name, char *message, size_t message_size)
{
    nearest best = {0};
    for (size_t i = 0; i < names->n; i++)
        nearest_consider(&best, name, names->names[i]);
    if (best.name)
        snprintf(message, message_size, "is not a setting of librdkafka; did you mean kafka.%s?", best.name);
    else
        snprintf(message, message_size,
                 "is not a setting of librdkafka; see its CONFIGURATION.md for those there are");
}

bool kafka_setting_check(const kafka_names *names, rd_kafka_conf_t *scratch, const char *name,
                         const char *value, char *message, size_t message_size)
{
    size_t at = kafka_names_find(names, name);
    if (at == names->n) {
        explain_unknown(names, name, message, message_size);
        return false;
    }
    if (names->roles[at] == 'C') {
        snprintf(message, message_size,
                 "is a setting for consumers and would have no effect here; remove it");
        return false;
    }
    const char *shown = config_kafka_is_secret(name) ? "********" : value;
    const char *reason = kafka_refusal(name, value);
    if (reason) {
        snprintf(message, message_size, "must not be \"%s\": %s; remove it", shown, reason);
        return false;
    }
    char said[512];
    if (rd_kafka_conf_set(scratch, name, value, said, sizeof said) != RD_KAFKA_CONF_OK) {
        snprintf(message, message_size, "is refused by librdkafka: %s",
                 config_kafka_is_secret(name) ? "its value cannot be used" : said);
        return false;
    }
    return true;
}
