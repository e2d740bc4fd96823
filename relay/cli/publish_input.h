/* What postbus publish is given, for one event and for lines alike. */
#ifndef POSTBUS_CLI_PUBLISH_INPUT_H
#define POSTBUS_CLI_PUBLISH_INPUT_H

#include "command.h"

/* The headers given by --header as JSON text, or NULL where there are none; false: the reason was printed. The caller frees it. */
bool publish_input_headers(const call *c, char **out_json);

/* Opens what --file names, or standard input for "-"; NULL: the reason was printed. */
FILE *publish_input_open(const call *c, const char *path);

#endif
