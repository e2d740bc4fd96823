/* postbus publish TOPIC --lines */
#ifndef POSTBUS_CLI_PUBLISH_LINES_H
#define POSTBUS_CLI_PUBLISH_LINES_H

#include "command.h"

/* Publishes each line; returns the command's exit code. */
int publish_lines(const call *c);

#endif
