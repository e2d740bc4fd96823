/* The settings handed through to librdkafka: which there are, which of them would break a promise. */
#ifndef POSTBUS_RELAY_CONFIG_KAFKA_H
#define POSTBUS_RELAY_CONFIG_KAFKA_H

#include <stdbool.h>
#include <stddef.h>

#include <librdkafka/rdkafka.h>

/* What librdkafka lists of itself. */
typedef struct kafka_names {
    char **settings; /* what each is called here: kafka.NAME */
    char **names;    /* within settings */
    char *
        roles; /* 'C' for consumers only, 'P' for producers only, '*', and 'F' for the NAME_file that a secret NAME is read from */
    size_t n;
} kafka_names;

/* Read once a process, and kept; NULL without memory. */
const kafka_names *kafka_names_known(void);

/* The position of name, or names->n. */
size_t kafka_names_find(const kafka_names *names, const char *name);

/* Whether name is one of role 'F': its value is the path of a file, its secret is called by the name without "_file". */
bool kafka_names_is_file(const kafka_names *names, const char *name);

/* The reason why this relay must not have this setting, or NULL. */
const char *kafka_refusal(const char *name, const char *value);

/* Sets it in scratch and refuses what is unknown, malformed or breaks a promise; the reason is in message. */
bool kafka_setting_check(const kafka_names *names, rd_kafka_conf_t *scratch, const char *name,
                         const char *value, char *message, size_t message_size);

/* One row of what is refused, for the reference page. */
typedef struct kafka_rule {
    const char *names;    /* separated by spaces: aliases of one setting */
    const char *accepted; /* the only values accepted, separated by spaces; NULL: none */
    const char *refused; /* where accepted is NULL: the only values refused, separated by spaces; NULL: all */
    const char *reason;
} kafka_rule;
extern const kafka_rule kafka_rules[]; /* ends with names == NULL */

#endif
