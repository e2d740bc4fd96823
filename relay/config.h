/* What a relay is told: file, environment and flags, from lowest to highest precedence, parsed by one table (config.c). */
#ifndef POSTBUS_RELAY_CONFIG_H
#define POSTBUS_RELAY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

typedef struct config_pair {
    char *name;
    char *value;
} config_pair;

typedef struct config {
    char *database;     /* libpq connection string or URI */
    char *brokers;      /* bootstrap.servers */
    char *relay_id;     /* how this relay calls itself in postbus.leadership; default host:pid */
    char *id_header;    /* name of the header that carries the event id; "" = none */
    char *type_header;  /* name of the header that carries the type; "" = none */
    bool receipts;      /* write postbus.receipt (completed_at, partition, offset of each event) */
    bool create_topics; /* create a missing topic */
    int64_t topic_partitions;
    int64_t topic_replication_factor;
    int64_t topic_retry_ms;      /* how often a missing topic is looked for again */
    int64_t page_rows;           /* rows read from the outbox at once */
    int64_t page_bytes;          /* and at most this many bytes of values (always at least one row) */
    int64_t in_flight_bytes;     /* bytes read and not yet acknowledged, before reading stops */
    int64_t idle_ms;             /* without rows for this long, the relay arms the doorbell */
    int64_t safety_poll_ms;      /* how long it sleeps on the doorbell before it looks all the same */
    int64_t settle_ms;           /* acknowledged rows are settled at most this much later */
    int64_t leader_retry_ms;     /* how often a standby tries to take the lead */
    int64_t reconnect_max_ms;    /* cap of the backoff between connection attempts */
    int64_t shutdown_timeout_ms; /* SIGTERM: how long to flush and settle before giving up */
    log_level log_level;
    bool log_json;
    config_pair *kafka; /* kafka.* settings handed through to librdkafka */
    size_t n_kafka;
} config;

#endif
