/* The table of settings: parser, environment names, flags, help, reference page and man page all come out of it. */
#ifndef POSTBUS_RELAY_CONFIG_TABLE_H
#define POSTBUS_RELAY_CONFIG_TABLE_H

#include "config.h"

typedef enum setting_kind {
    SETTING_TEXT,
    SETTING_SECRET, /* a text that is never shown */
    SETTING_CONNINFO,
    SETTING_BOOL,
    SETTING_COUNT,
    SETTING_COUNT_OR_DEFAULT, /* "default" is -1 */
    SETTING_BYTES,            /* a number, or a number with KiB, MiB or GiB */
    SETTING_DURATION_MS,      /* a number, or a number with ms, s, min, h or d */
    SETTING_LEVEL,
    SETTING_LISTEN,    /* "", a port, or an address and a port */
    SETTING_DELIVERY,  /* at_least_once or exactly_once */
    SETTING_POLICY,    /* block_key, skip or stop */
    SETTING_POLICY_OF, /* TOPIC=POLICY,… */
    SETTING_CHOICE,    /* a text that is one of choices */
} setting_kind;

typedef struct config_setting {
    const char
        *name; /* in the file; the flag has '-' for '_', the environment name is in capitals after POSTBUS_ */
    setting_kind kind;
    size_t offset;
    const char *preset; /* the default, as one would write it */
    int64_t lowest, highest;
    const char *placeholder;
    const char *effect;  /* what it does, in sentences, for the reference */
    bool of_process;     /* of the whole process: not to be said in a section */
    const char *choices; /* "exponential, patient or never" */
} config_setting;

#define CONFIG_N_SETTINGS 37
extern const config_setting config_table[CONFIG_N_SETTINGS];

/* The row of this name, or NULL. */
const config_setting *config_setting_find(const char *name);

/* Writes "POSTBUS_PAGE_ROWS" or "page-rows" for "page_rows". */
void config_environment_name(const char *name, char *out, size_t out_size);
void config_flag_name(const char *name, char *out, size_t out_size);

/* Parses text into the setting's place in *into: a config, or what else the setting's table is of. False: the reason, without the value's
 * name or source, is in message. */
bool config_setting_parse(const config_setting *setting, const char *text, void *into, char *message,
                          size_t message_size);

/* The value as text, secrets masked; the caller frees it. */
char *config_setting_text(const config_setting *setting, const config *cfg);

/* "1 to 1000000", "true or false" …: what may be written. */
void config_setting_range(const config_setting *setting, char *out, size_t out_size);

#endif
