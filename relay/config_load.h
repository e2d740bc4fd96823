/* What the layers of the configuration share while they are read: private to the files config*.c. */
#ifndef POSTBUS_RELAY_CONFIG_LOAD_H
#define POSTBUS_RELAY_CONFIG_LOAD_H

#include "config_kafka.h"
#include "config_table.h"

typedef struct config_load_state {
    config *cfg;
    kafka_names kafka;
    rd_kafka_conf_t *scratch;
    char *message;
    size_t message_size;
} config_load_state;

/* Writes the sentence of the first fault and returns false. */
bool config_fault(config_load_state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets one setting, "page_rows" or "kafka.linger.ms"; label is how the user wrote its name, source where. */
bool config_apply(config_load_state *state, const char *name, const char *value, const char *label,
                  const char *source);

/* The fault of a name that is no setting's, in the file or on the command line. */
bool config_unknown(config_load_state *state, const char *name, const char *source);

/* The content of the file at path, without the line feed at its end, for the caller to free; NULL: the reason, without the content,
 * is in message. */
char *config_secret_read(const char *path, char *message, size_t message_size);

/* "linger.ms" for "kafka.linger.ms"; NULL for a setting of ours. */
#define CONFIG_KAFKA_PREFIX "kafka."
const char *config_kafka_part(const char *name);

/* Releases what a pair holds, not the pair. */
void config_pair_free(config_pair *pair);

#endif
