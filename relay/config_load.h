/* What the layers of the configuration share while they are read: private to the files config*.c. */
#ifndef POSTBUS_RELAY_CONFIG_LOAD_H
#define POSTBUS_RELAY_CONFIG_LOAD_H

#include "config_kafka.h"
#include "config_table.h"

/* One assignment of the file, as it stands there. */
typedef struct config_line {
    char *section; /* NULL: outside of the sections */
    char *name, *value, *source;
} config_line;

/* What the file says, before it means anything: a section may stand before what it overrides. */
typedef struct config_lines {
    config_line *each;
    size_t n;
    char **sections; /* their names, in order */
    size_t n_sections;
} config_lines;

typedef struct config_load_state {
    config *cfg; /* that is being filled */
    config_lines lines;
    const kafka_names *kafka;
    rd_kafka_conf_t *scratch;
    char *message;
    size_t message_size;
} config_load_state;

/* Writes the sentence of the first fault and returns false. */
bool config_fault(config_load_state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets one setting, "page_rows" or "kafka.linger.ms"; label is how the user wrote its name, source where. */
bool config_apply(config_load_state *state, const char *name, const char *value, const char *label,
                  const char *source);

/* False: out of memory. section may be NULL. */
bool config_lines_add(config_lines *lines, const char *section, const char *name, const char *value,
                      const char *source);
bool config_lines_add_section(config_lines *lines, const char *section);
/* Releases and forgets all. */
void config_lines_done(config_lines *lines);
/* Applies those of a section, or with NULL those outside of all. */
bool config_lines_apply(config_load_state *state, const char *section);

/* The section's name is one that a log, a label and a path can show as it is. */
bool config_section_name_is_good(const char *name);
/* "orders, billing and stock". */
void config_section_names(const config_lines *lines, char *out, size_t out_size);
/* Whether two connection strings lead to the same database, as far as their text tells. */
bool config_same_database(const char *a, const char *b);

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
