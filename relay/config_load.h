/* What the layers of the configuration share while they are read: private to config.c and config_file.c. */
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

/* Reads a file by its stream; name is what messages call it. */
bool config_file_read(config_load_state *state, FILE *file, const char *name);

#endif
