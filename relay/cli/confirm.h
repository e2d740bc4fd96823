/* Asking before something is done that cannot be taken back. */
#ifndef POSTBUS_CLI_CONFIRM_H
#define POSTBUS_CLI_CONFIRM_H

#include "command.h"

/* Asks on the terminal, or wants --yes where there is none. EXIT_OK: go on; else the reason was printed. */
int confirm(const call *c, const char *question);

#endif
