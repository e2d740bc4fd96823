/* What a command is, and what it is called with. The table of commands makes parser, --help, man pages and reference. */
#ifndef POSTBUS_CLI_COMMAND_H
#define POSTBUS_CLI_COMMAND_H

#include "config.h"

/* Exit codes of every command; `postbus relay` also returns those of relay_run. */
typedef enum exit_code {
    EXIT_OK = 0,
    EXIT_FAULT = 1, /* it could not be done */
    EXIT_USAGE = 2, /* command line, environment or configuration file are wrong; nothing was done */
    EXIT_UNSETTLED =
        3, /* stopped before all that the relay had sent was settled, or all that was begun was handled */
    EXIT_FINDINGS = 4, /* doctor: at least one check found an error; schema: it is not compatible */
} exit_code;

typedef enum option_kind { OPTION_SWITCH, OPTION_TEXT, OPTION_COUNT } option_kind;

typedef struct command_option {
    const char *name; /* without the dashes; the last row of a table has NULL */
    char letter;
    option_kind kind;
    bool repeated;
    const char *placeholder;
    int64_t lowest, highest; /* of a count */
    const char *effect;
} command_option;

/* Which settings of the configuration a command takes as flags. */
enum {
    TAKES_DATABASE = 1,
    TAKES_BROKERS = 2,
    TAKES_KAFKA = 4,
    TAKES_RELAY = 8,
    TAKES_REGISTRY = 32,
    TAKES_HEADERS = 64, /* where the relay puts what it tells of an event */
    TAKES_EVERY = 16,   /* each database of the configuration file, not one of them */
};

typedef struct call call;

typedef struct command {
    const char *name;
    const char *synopsis; /* the words after the flags */
    const char *summary;
    const char *description; /* paragraphs, separated by an empty line */
    const char *examples;    /* one a line */
    const command_option *options;
    unsigned takes;
    size_t least_words, most_words;
    const char *words_remedy; /* what to write where there are too few or too many */
    int (*run)(const call *c);
} command;

/* The commands, in the order of the overview; ends with NULL. */
extern const command *const commands[];
extern const command command_migrate, command_relay, command_publish, command_tail, command_status,
    command_parked, command_rebase, command_dev, command_docs, command_doctor, command_dead,
    command_subscriptions, command_schema, command_work;

/* Also finds command_docs, which is not in the overview. */
const command *command_find(const char *name);

typedef struct given_option {
    const command_option *option;
    char *value; /* NULL for a switch */
} given_option;

struct call {
    const command *command;
    config cfg;      /* with TAKES_EVERY: that of the first; borrowed */
    config_list all; /* of each database; with TAKES_EVERY only */
    given_option *given;
    size_t n_given;
    char **words;
    size_t n_words;
};

/* The last value given, or NULL. */
const char *call_text(const call *c, const char *option);
bool call_has(const call *c, const char *option);
int64_t call_count(const call *c, const char *option, int64_t otherwise);

/* Prints "postbus NAME: sentence" on stderr; returns EXIT_FAULT or EXIT_USAGE. */
int fault(const call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
int misuse(const call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fills *out from the words after the command's name. Anything but EXIT_OK: nothing to release, and the reason was printed;
 * *out_help tells that --help was asked for. */
int call_parse(const command *cmd, int argc, const char **argv, const char *const *environment, call *out,
               bool *out_help);
void call_done(call *c);

/* The whole of main but for exit(). */
int postbus_main(int argc, const char **argv, const char *const *environment);

#endif
