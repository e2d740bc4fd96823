/* The settings as data, and how one is read from text and printed again; never reads files, flags or the environment. */
#include "config_table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "listen.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define AT(member) .offset = offsetof(config, member)

const config_setting config_table[] = {
    /* as many as CONFIG_N_SETTINGS, or it does not compile */
    {"database", SETTING_CONNINFO, AT(database), .preset = "", .placeholder = "CONNINFO",
     .effect =
         "The database with the outbox, or, for what is of subscribers, with their inbox: a libpq connection "
         "string or URI. The relay needs a direct "
         "connection, not a "
         "transaction pooler. A password is better kept in a password file (PGPASSFILE). Where the file has "
         "database sections, a flag or the environment gives the name of one of them instead."},
    {"brokers", SETTING_TEXT, AT(brokers), .preset = "", .placeholder = "HOST:PORT,…",
     .effect = "The Kafka brokers to ask first, separated by commas."},
    {"relay_id", SETTING_TEXT, AT(relay_id), .preset = "", .placeholder = "NAME",
     .effect = "How this relay calls itself in postbus.leadership and in its log. Empty: host name and "
               "process id."},
    {"id_header", SETTING_TEXT, AT(id_header), .preset = "id", .placeholder = "NAME",
     .effect = "The record header that carries the event id, behind those of the publisher. Empty: none; "
               "subscribers then cannot tell a repeated event. Subscribers have to be told of another name "
               "than id: "
               "postbus work by the same setting, libpostbus_worker by an option."},
    {"type_header", SETTING_TEXT, AT(type_header), .preset = "type", .placeholder = "NAME",
     .effect = "The record header that carries the type of an event that has one. Empty: none. To be told to "
               "subscribers, likewise."},
    {"relayed_at_header", SETTING_TEXT, AT(relayed_at_header), .preset = "", .placeholder = "NAME",
     .effect =
         "The record header that carries when the relay handed the event to its producer: milliseconds "
         "since 1970 in decimal, by this machine's clock. Subscribers tell by it how long events waited for "
         "the relay; they look for relayed-at unless told of another name. Empty: none."},
    {"delivery", SETTING_DELIVERY, AT(delivery), .preset = "at_least_once", .placeholder = "HOW",
     .effect =
         "exactly_once: events travel in Kafka transactions that are committed together with the relay's "
         "progress, and a relay that lost the lead is fenced by the brokers. Consumers with "
         "isolation.level=read_committed see each event once. Costs latency and throughput, and needs "
         "further rights in Kafka. at_least_once: an event can come again after a failure."},
    {"receipts", SETTING_BOOL, AT(receipts), .preset = "true",
     .effect = "Whether partition, offset and time of acknowledgement are recorded for each event (see the "
               "view postbus.event)."},
    {"create_topics", SETTING_BOOL, AT(create_topics), .preset = "false",
     .effect = "Whether a missing topic is created. If not, its events wait, and the other topics flow."},
    {"topic_partitions", SETTING_COUNT_OR_DEFAULT, AT(topic_partitions), .preset = "default", .lowest = 1,
     .highest = 100000, .placeholder = "N",
     .effect = "Partitions of a created topic. default: what the brokers are configured for."},
    {"topic_replication_factor", SETTING_COUNT_OR_DEFAULT, AT(topic_replication_factor), .preset = "default",
     .lowest = 1, .highest = 32767, .placeholder = "N",
     .effect = "Copies of each partition of a created topic. default: what the brokers are configured for."},
    {"topic_retry_ms", SETTING_DURATION_MS, AT(topic_retry_ms), .preset = "1000", .lowest = 10,
     .highest = 3600000, .placeholder = "TIME", .effect = "How often a missing topic is looked for again."},
    {"lane_timeout_ms", SETTING_DURATION_MS, AT(lane_timeout_ms), .preset = "30000", .lowest = 2500,
     .highest = 86400000, .placeholder = "TIME",
     .effect = "How long events of a topic may wait for an acknowledgement while brokers answer, as when a "
               "partition has no leader. Then the topic's events are parked in order, so that all others go "
               "on, and they leave in order by themselves when the partition takes events again. While no "
               "broker answers, nothing is parked; it takes half of this time to see that, and at least "
               "1,250 ms: hence the lowest value."},
    {"park_policy", SETTING_POLICY, AT(park_policy), .preset = "block_key", .placeholder = "POLICY",
     .effect =
         "What happens behind an event that the brokers refuse for good, until an operator redrives or "
         "discards it. "
         "block_key: later events of its topic and key wait, in order. skip: they go on. stop: all later "
         "events of the topic "
         "wait. Events without a key block each other under stop only."},
    {"park_policy_of", SETTING_POLICY_OF, AT(park_policy_of), .preset = "", .placeholder = "TOPIC=POLICY,…",
     .effect = "Another park_policy for single topics, as orders=stop,metrics=skip."},
    {"page_rows", SETTING_COUNT, AT(page_rows), .preset = "10000", .lowest = 1, .highest = 1000000,
     .placeholder = "N",
     .effect = "Events read from the outbox at once. Smaller pages cost throughput, larger ones memory."},
    {"page_bytes", SETTING_BYTES, AT(page_bytes), .preset = "8MiB", .lowest = 1, .highest = GIB,
     .placeholder = "SIZE",
     .effect = "The most bytes of values read at once; at least one event is read, whatever its size."},
    {"in_flight_bytes", SETTING_BYTES, AT(in_flight_bytes), .preset = "32MiB", .lowest = 64 * KIB,
     .highest = 64 * GIB, .placeholder = "SIZE",
     .effect = "Bytes read and not yet acknowledged by the brokers at which reading pauses; what is "
               "acknowledged and waits behind an earlier event that is not counts with some hundred bytes. "
               "Bounds the "
               "relay's memory: the pages that it has asked for by then, as a rule two, come on top, each of "
               "page_bytes of "
               "large values, or of page_rows rows of 2 KB at most."},
    {"idle_ms", SETTING_DURATION_MS, AT(idle_ms), .preset = "10", .lowest = 1, .highest = 60000,
     .placeholder = "TIME",
     .effect = "How long the relay finds nothing to read before it arms the doorbell and sleeps until a "
               "publisher rings it."},
    {"safety_poll_ms", SETTING_DURATION_MS, AT(safety_poll_ms), .preset = "1000", .lowest = 10,
     .highest = 3600000, .placeholder = "TIME",
     .effect = "How long the relay sleeps on the doorbell before it looks all the same. Serves transactions "
               "that do not ring "
               "(postbus.ring = off)."},
    {"settle_ms", SETTING_DURATION_MS, AT(settle_ms), .preset = "50", .lowest = 0, .highest = 60000,
     .placeholder = "TIME",
     .effect = "At most how long acknowledged events wait until the progress is recorded in PostgreSQL. "
               "Longer: fewer commits and less write-ahead log, and more events repeated after a crash."},
    {"lease_ms", SETTING_DURATION_MS, AT(lease_ms), .preset = "9000", .lowest = 400, .highest = 3600000,
     .placeholder = "TIME",
     .effect =
         "How long PostgreSQL keeps the lead for a relay that has fallen silent, before a waiting one can "
         "take it. A relay that has had no answer for half of it sends nothing to the brokers until it has."},
    {"leader_retry_ms", SETTING_DURATION_MS, AT(leader_retry_ms), .preset = "250", .lowest = 10,
     .highest = 3600000, .placeholder = "TIME",
     .effect = "How often a waiting relay tries to take the lead."},
    {"reconnect_max_ms", SETTING_DURATION_MS, AT(reconnect_max_ms), .preset = "5000", .lowest = 10,
     .highest = 3600000, .placeholder = "TIME",
     .effect = "The longest pause between two attempts to connect to PostgreSQL."},
    {"refused_retry_ms", SETTING_DURATION_MS, AT(refused_retry_ms), .preset = "30000", .lowest = 100,
     .highest = 3600000, .placeholder = "TIME",
     .effect = "Where a relay serves several databases: after how long one that could not be served as it is "
               "(not migrated, without privileges, restored from elsewhere) is looked at again. Once none of "
               "them can be served, the relay ends with exit code 1."},
    {"shutdown_timeout_ms", SETTING_DURATION_MS, AT(shutdown_timeout_ms), .preset = "10000", .lowest = 0,
     .highest = 3600000, .placeholder = "TIME",
     .effect = "After SIGTERM or SIGINT: how long the relay flushes and settles before it gives up with exit "
               "code 3."},
    {"http_listen", SETTING_LISTEN, AT(http_listen), .preset = "", .placeholder = "[ADDRESS:]PORT",
     .effect = "Where /metrics, /healthz and /readyz are served over HTTP: a port, which is then one of "
               "127.0.0.1, or an IP address and a port such as 0.0.0.0:9464 or [::1]:9464. They are open to "
               "whoever can connect. Empty: nowhere.",
     .of_process = true},
    {"retention_ms", SETTING_DURATION_MS, AT(retention_ms), .preset = "7d", .lowest = 0,
     .highest = INT64_C(315360000000), .placeholder = "TIME",
     .effect = "How long published events stay in the outbox. They go in bulk, with their receipts, up to an "
               "eighth of this time later. Parked events stay. 0: nothing is removed."},
    {"retention_check_ms", SETTING_DURATION_MS, AT(retention_check_ms), .preset = "1min", .lowest = 10,
     .highest = 3600000, .placeholder = "TIME",
     .effect = "How often the relay looks for events to remove, in a session of its own."},
    {"registry_url", SETTING_TEXT, AT(registry_url), .preset = "", .placeholder = "URL",
     .effect =
         "The schema registry, such as https://registry:8081: for postbus schema, which registers there, "
         "and for postbus tail, dead and work, which look schemas up. The relay never asks it."},
    {"registry_user", SETTING_TEXT, AT(registry_user), .preset = "", .placeholder = "NAME",
     .effect = "The user for the registry, by HTTP's basic authentication. Empty: none."},
    {"registry_password", SETTING_SECRET, AT(registry_password), .preset = "", .placeholder = "TEXT",
     .effect =
         "Its password. Better kept in a file or in the environment than in a flag, which others can see."},
    {"registry_password_file", SETTING_TEXT, AT(registry_password_file), .preset = "", .placeholder = "FILE",
     .effect = "A file with the password, which counts instead of registry_password."},
    {"registry_ca_file", SETTING_TEXT, AT(registry_ca_file), .preset = "", .placeholder = "FILE",
     .effect = "Certificates in PEM, one of which has to have signed the registry's. Empty: the system's."},
    {"registry_timeout_ms", SETTING_DURATION_MS, AT(registry_timeout_ms), .preset = "10000", .lowest = 100,
     .highest = 600000, .placeholder = "TIME",
     .effect = "How long a question to the registry may take, from connecting to the last byte of the last "
               "answer that it needs."},
    {"log_level", SETTING_LEVEL, AT(log_level), .preset = "info", .placeholder = "LEVEL",
     .effect = "The least level that is logged: debug, info, warn or error.", .of_process = true},
    {"log_json", SETTING_BOOL, AT(log_json), .preset = "false",
     .effect = "Whether the log is one JSON object a line.", .of_process = true},
};

const config_setting *config_setting_find(const char *name)
{
    for (size_t i = 0; i < CONFIG_N_SETTINGS; i++)
        if (strcmp(config_table[i].name, name) == 0)
            return &config_table[i];
    return NULL;
}

void config_environment_name(const char *name, char *out, size_t out_size)
{
    int at = snprintf(out, out_size, "POSTBUS_%s", name);
    for (int i = 0; i < at && (size_t)i < out_size; i++)
        out[i] = (out[i] == '.') ? '_' : (char)toupper((unsigned char)out[i]);
}

void config_flag_name(const char *name, char *out, size_t out_size)
{
    int at = snprintf(out, out_size, "%s", name);
    for (int i = 0; i < at && (size_t)i < out_size; i++)
        if (out[i] == '_')
            out[i] = '-';
}

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;
static const unit size_units[] = {{"", 1}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {NULL, 0}};
static const unit time_units[] = {{"", 1},        {"ms", 1},       {"s", 1000}, {"min", 60000},
                                  {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const unit no_units[] = {{"", 1}, {NULL, 0}};

static const unit *units_of(setting_kind kind)
{
    if (kind == SETTING_BYTES)
        return size_units;
    return kind == SETTING_DURATION_MS ? time_units : no_units;
}

/* Digits, then at most one unit, right behind or after spaces; no sign but '-', no fraction, no other base. */
static bool parse_number(const char *text, const unit *units, int64_t *out)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (!isdigit((unsigned char)digits[0]))
        return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    const char *name = end + strspn(end, " ");
    if (name != end && *name == '\0')
        return false;
    for (; units->name; units++)
        if (strcmp(units->name, name) == 0)
            return !__builtin_mul_overflow(number, units->factor, out);
    return false;
}

void config_setting_range(const config_setting *setting, char *out, size_t out_size)
{
    char span[64];
    snprintf(span, sizeof span, "%" PRId64 " to %" PRId64, setting->lowest, setting->highest);
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        snprintf(out, out_size, "text");
        break;
    case SETTING_CONNINFO:
        snprintf(out, out_size, "a connection string or URI");
        break;
    case SETTING_BOOL:
        snprintf(out, out_size, "true or false");
        break;
    case SETTING_COUNT:
        snprintf(out, out_size, "%s", span);
        break;
    case SETTING_COUNT_OR_DEFAULT:
        snprintf(out, out_size, "%s, or default", span);
        break;
    case SETTING_BYTES:
        snprintf(out, out_size, "%s bytes, or with KiB, MiB or GiB", span);
        break;
    case SETTING_DURATION_MS:
        snprintf(out, out_size, "%s milliseconds, or with ms, s, min, h or d", span);
        break;
    case SETTING_LEVEL:
        snprintf(out, out_size, "debug, info, warn or error");
        break;
    case SETTING_LISTEN:
        snprintf(out, out_size, "empty, a port, or an IP address, a colon and a port");
        break;
    case SETTING_DELIVERY:
        snprintf(out, out_size, "at_least_once or exactly_once");
        break;
    case SETTING_POLICY:
        snprintf(out, out_size, "block_key, skip or stop");
        break;
    case SETTING_POLICY_OF:
        snprintf(out, out_size, "topics with block_key, skip or stop, such as orders=stop,metrics=skip");
        break;
    case SETTING_CHOICE:
        snprintf(out, out_size, "%s", setting->choices);
        break;
    }
}

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static bool parse_level(const char *text, log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(level_names[i], text) == 0) {
            *out = (log_level)i;
            return true;
        }
    return false;
}

static const char *const delivery_names[] = {"at_least_once", "exactly_once"};

static bool parse_delivery(const char *text, delivery *out)
{
    for (size_t i = 0; i < sizeof delivery_names / sizeof delivery_names[0]; i++)
        if (strcmp(delivery_names[i], text) == 0) {
            *out = (delivery)i;
            return true;
        }
    return false;
}

static const char *const policy_names[] = {"block_key", "skip", "stop"};

static bool parse_policy(const char *text, size_t size, park_policy *out)
{
    for (size_t i = 0; i < sizeof policy_names / sizeof policy_names[0]; i++)
        if (strlen(policy_names[i]) == size && memcmp(policy_names[i], text, size) == 0) {
            *out = (park_policy)i;
            return true;
        }
    return false;
}

/* One TOPIC=POLICY at *at, which moves behind it and its comma. */
static bool next_policy(const char **at, const char **topic, size_t *topic_size, park_policy *policy)
{
    *topic = *at;
    *topic_size = strcspn(*at, "=,");
    const char *name = *at + *topic_size + 1;
    if (*topic_size == 0 || name[-1] != '=')
        return false;
    size_t size = strcspn(name, ",");
    *at = name + size + (name[size] == ',' && name[size + 1] != '\0');
    return parse_policy(name, size, policy) && (*at != name + size || name[size] == '\0');
}

static bool parse_policy_of(const char *text)
{
    const char *topic;
    size_t size;
    park_policy policy;
    while (*text)
        if (!next_policy(&text, &topic, &size, &policy))
            return false;
    return true;
}

park_policy config_park_policy(const config *cfg, const char *topic)
{
    const char *at = cfg->park_policy_of, *name;
    size_t size;
    park_policy policy, found = cfg->park_policy;
    while (at && *at && next_policy(&at, &name, &size, &policy))
        if (strlen(topic) == size && memcmp(topic, name, size) == 0)
            found = policy;
    return found;
}

static bool parse_bool(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

/* libpq quotes what it could not read, which may be the password: what stands between quotes is left out. */
static bool parse_conninfo(const char *text, char *message, size_t message_size)
{
    char *reason = NULL;
    PQconninfoOption *options = PQconninfoParse(text, &reason);
    if (!options) {
        size_t at = (size_t)snprintf(message, message_size, "is not a connection string or URI: ");
        bool quoted = false;
        for (const char *c = reason ? reason : "out of memory"; *c && at + 4 < message_size; c++) {
            if (*c == '"') {
                if (!quoted)
                    at += (size_t)snprintf(message + at, message_size - at, "…");
                quoted = !quoted;
            } else if (!quoted && *c != '\n')
                message[at++] = *c;
        }
        message[at] = '\0';
    }
    PQconninfoFree(options);
    PQfreemem(reason);
    return options != NULL;
}

static bool set_text(char **place, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return false;
    free(*place);
    *place = copy;
    return true;
}

static bool parse_count(const config_setting *setting, const char *text, int64_t *place)
{
    if (setting->kind == SETTING_COUNT_OR_DEFAULT && strcmp(text, "default") == 0) {
        *place = -1;
        return true;
    }
    int64_t number;
    if (!parse_number(text, units_of(setting->kind), &number) || number < setting->lowest ||
        number > setting->highest)
        return false;
    *place = number;
    return true;
}

/* choices are words with ", " and " or " between. */
static bool is_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);
    while (*choices) {
        size_t word = strcspn(choices, ", ");
        if (word == size && word > 0 && memcmp(choices, text, word) == 0)
            return true;
        choices += word;
        choices += strspn(choices, ", ");
        if (strncmp(choices, "or ", 3) == 0)
            choices += 3;
    }
    return false;
}

bool config_setting_parse(const config_setting *setting, const char *text, void *into, char *message,
                          size_t message_size)
{
    void *place = (char *)into + setting->offset;
    bool ok = false;
    switch (setting->kind) {
    case SETTING_CONNINFO:
        if (!parse_conninfo(text, message, message_size))
            return false;
        ok = set_text(place, text);
        break;
    case SETTING_TEXT:
    case SETTING_SECRET:
        ok = set_text(place, text);
        break;
    case SETTING_LISTEN:
        ok = (text[0] == '\0' || listen_parse(text, &(listen_address){0})) && set_text(place, text);
        break;
    case SETTING_BOOL:
        ok = parse_bool(text, place);
        break;
    case SETTING_LEVEL:
        ok = parse_level(text, place);
        break;
    case SETTING_DELIVERY:
        ok = parse_delivery(text, place);
        break;
    case SETTING_POLICY:
        ok = parse_policy(text, strlen(text), place);
        break;
    case SETTING_POLICY_OF:
        ok = parse_policy_of(text) && set_text(place, text);
        break;
    case SETTING_CHOICE:
        ok = is_choice(setting->choices, text) && set_text(place, text);
        break;
    case SETTING_COUNT:
    case SETTING_COUNT_OR_DEFAULT:
    case SETTING_BYTES:
    case SETTING_DURATION_MS:
        ok = parse_count(setting, text, place);
        break;
    }
    if (!ok) {
        char range[120];
        config_setting_range(setting, range, sizeof range);
        snprintf(message, message_size, "is \"%s\"; it has to be %s", text, range);
    }
    return ok;
}

static char *number_text(const config_setting *setting, int64_t number)
{
    char text[40];
    const unit *best = units_of(setting->kind);
    for (const unit *u = best; u->name; u++)
        if (number != 0 && number % u->factor == 0)
            best = u;
    if (setting->kind == SETTING_COUNT_OR_DEFAULT && number == -1)
        snprintf(text, sizeof text, "default");
    else if (setting->kind == SETTING_BYTES)
        snprintf(text, sizeof text, "%" PRId64 "%s", number / best->factor, best->name);
    else
        snprintf(text, sizeof text, "%" PRId64, number);
    return strdup(text);
}

char *config_setting_text(const config_setting *setting, const config *cfg)
{
    const void *place = (const char *)cfg + setting->offset;
    switch (setting->kind) {
    case SETTING_DELIVERY:
        return strdup(delivery_names[*(const delivery *)place]);
    case SETTING_POLICY:
        return strdup(policy_names[*(const park_policy *)place]);
    case SETTING_SECRET:
        return strdup(**(char *const *)place ? "********" : "");
    case SETTING_TEXT:
    case SETTING_POLICY_OF:
    case SETTING_CHOICE:
    case SETTING_LISTEN: {
        const char *text = *(char *const *)place;
        return strdup(text ? text : "");
    }
    case SETTING_CONNINFO: {
        const char *text = *(char *const *)place;
        return config_mask_conninfo(text ? text : "");
    }
    case SETTING_BOOL:
        return strdup(*(const bool *)place ? "true" : "false");
    case SETTING_LEVEL:
        return strdup(level_names[*(const log_level *)place]);
    default:
        return number_text(setting, *(const int64_t *)place);
    }
}
