/* What publish.c and publish_lines.c share. */
#ifndef POSTBUS_CLI_PUBLISH_H
#define POSTBUS_CLI_PUBLISH_H

#include "command.h"

/* The headers given by --header as JSON text, or NULL where there are none; false: the reason was printed. The caller frees it. */
bool publish_headers(const call *c, char **out_json);

/* Opens what --file names, or standard input for "-"; NULL: the reason was printed. */
FILE *publish_open(const call *c, const char *path);

/* postbus publish TOPIC --lines */
int publish_lines(const call *c);

#endif
