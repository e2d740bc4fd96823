/* What a relay is told: file, environment and flags, from lowest to highest precedence, parsed by one table (config.c). */
#ifndef POSTBUS_RELAY_CONFIG_H
#define POSTBUS_RELAY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "log.h"

typedef struct config_pair {
    char *name;
    char *value;
    char *source; /* where it was said: "relay.conf:7", "POSTBUS_KAFKA_LINGER_MS", "--kafka" */
} config_pair;

/* What happens behind an event that was refused for good. */
typedef enum park_policy {
    PARK_BLOCK_KEY, /* later events of its topic and key wait behind it */
    PARK_SKIP,      /* they go on */
    PARK_STOP,      /* all later events of the topic wait */
} park_policy;

/* How often an event can reach its topic. */
typedef enum delivery {
    DELIVERY_AT_LEAST_ONCE,
    DELIVERY_EXACTLY_ONCE, /* for who reads committed records only */
} delivery;

typedef struct config {
    char *name;              /* of the section it was said in; NULL: there are no sections */
    char *database;          /* libpq connection string or URI */
    char *brokers;           /* bootstrap.servers */
    char *relay_id;          /* how this relay calls itself in postbus.leadership; default host:pid */
    char *id_header;         /* name of the header that carries the event id; "" = none */
    char *type_header;       /* name of the header that carries the type; "" = none */
    char *relayed_at_header; /* name of the header that carries when the relay sent the event; "" = none */
    delivery delivery;
    bool receipts;            /* write postbus.receipt (completed_at, partition, offset of each event) */
    bool create_topics;       /* create a missing topic */
    int64_t topic_partitions; /* of a created topic; -1 = the brokers' default */
    int64_t topic_replication_factor; /* likewise */
    int64_t topic_retry_ms;           /* how often a missing topic is looked for again */
    int64_t lane_timeout_ms;          /* a topic that takes nothing for this long is parked as a lane */
    park_policy park_policy;          /* of topics that park_policy_of does not name */
    char *park_policy_of;             /* "TOPIC=POLICY,…"; checked already */
    int64_t page_rows;                /* rows read from the outbox at once */
    int64_t page_bytes;               /* and at most this many bytes of values (always at least one row) */
    int64_t in_flight_bytes;          /* bytes read and not yet acknowledged, before reading stops */
    int64_t idle_ms;                  /* without rows for this long, the relay arms the doorbell */
    int64_t safety_poll_ms;           /* how long it sleeps on the doorbell before it looks all the same */
    int64_t settle_ms;                /* acknowledged rows are settled at most this much later */
    int64_t lease_ms;                 /* how long the lead outlives the leader's silence */
    int64_t leader_retry_ms;          /* how often a standby tries to take the lead */
    int64_t reconnect_max_ms;         /* cap of the backoff between connection attempts */
    int64_t refused_retry_ms;     /* one of several: when to look again at a database that cannot be served */
    int64_t shutdown_timeout_ms;  /* SIGTERM: how long to flush and settle before giving up */
    char *http_listen;            /* where /metrics, /healthz and /readyz are served; "" = nowhere */
    int64_t retention_ms;         /* how long published events stay in the outbox; 0 = for ever */
    int64_t retention_check_ms;   /* how often the relay looks for events to remove */
    char *registry_url;           /* the schema registry; "" = none */
    char *registry_user;          /* "" = none */
    char *registry_password;      /* a secret */
    char *registry_password_file; /* "" = none */
    char *registry_ca_file;       /* "" = the system's */
    int64_t registry_timeout_ms;  /* for one question */
    log_level log_level;
    bool log_json;
    config_pair
        *kafka; /* kafka.* settings handed through to librdkafka, to be set in this order; checked already */
    size_t n_kafka;
    char **sources; /* where each row of config_table was set, in its order */
} config;

/* One flag of the command line: the setting's name as in the table ("page_rows") or "kafka.NAME", and its text. */
typedef struct config_flag {
    const char *name;
    const char *value;
} config_flag;

typedef struct config_input {
    const char *file;               /* path of the configuration file; NULL = none */
    const char *const *environment; /* as environ, "NAME=value", ends with NULL; NULL = none */
    const config_flag *flags;
    size_t n_flags;
    bool without_sections; /* only what stands outside of them counts */
} config_input;

/* One for each database that is to be served; at least one. */
typedef struct config_list {
    config *each;
    size_t n;
} config_list;

/* Fills *out from defaults, file, environment and flags, each overriding the one before; a section of the file overrides what stands outside
 * of it. False: *out holds nothing to free, and message says in one sentence what is wrong, where it was said, and what to write
 * instead. */
bool config_load_each(config_list *out, const config_input *input, char *message, size_t message_size);

/* The same for one who needs one database: of several sections, environment or flags have to name one. */
bool config_load(config *out, const config_input *input, char *message, size_t message_size);

/* The policy of a topic. */
park_policy config_park_policy(const config *cfg, const char *topic);

/* Releases what config_load filled. */
void config_done(config *cfg);
void config_list_done(config_list *list);

/* One line a setting, `name = value  # source`, readable again as a configuration file but for its masked secrets. */
void config_print(const config_list *list, FILE *to);

/* The connection string or URI with its secrets masked, as keyword = value pairs; for logs. Never NULL but without memory; the
 * caller frees it. */
char *config_mask_conninfo(const char *conninfo);

/* Whether a librdkafka setting holds a secret. */
bool config_kafka_is_secret(const char *name);

#endif
