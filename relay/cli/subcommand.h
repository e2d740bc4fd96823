/* Commands whose first word says what to do: each row of a table is one of the things, with the flags and the words that it takes. */
#ifndef POSTBUS_CLI_SUBCOMMAND_H
#define POSTBUS_CLI_SUBCOMMAND_H

#include <libpq-fe.h>

#include "command.h"

typedef struct subcommand {
    const char *name;
    const char *synopsis; /* what follows the name: "ID"; NULL: nothing */
    size_t least_words, most_words;
    const char *flags; /* those it takes, each between spaces; the others would do nothing */
    int (*run)(const call *c, PGconn *conn);
} subcommand;

/* The row of all (the last of which has no name) that the first word names; without words the first row. NULL, with the reason on stderr and *out_code the exit code, where there is none,
 * or where it takes other flags or words. */
const subcommand *subcommand_find(const call *c, const subcommand *all, int *out_code);

/* Runs one on a connection to the configured database; returns the exit code. */
int subcommand_run(const call *c, const subcommand *one);

/* Whether a word is the number of a row. Where not, says so: noun is what is numbered, list the command that shows the numbers. */
bool subcommand_is_number(const call *c, const char *word, const char *noun, const char *list);

#endif
