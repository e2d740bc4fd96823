/* Reference pages made from the tables of commands and settings. */
#ifndef POSTBUS_CLI_DOCS_H
#define POSTBUS_CLI_DOCS_H

#include "command.h"

/* docs/reference/configuration.md, commands.md, metrics.md, subscriber-metrics.md and work.md */
void docs_configuration(FILE *to);
void docs_commands(FILE *to);
void docs_metrics(FILE *to);
void docs_subscriber_metrics(FILE *to);
void docs_work(FILE *to);

/* Manual pages: of the program (cmd NULL) or a command in section 1, of the configuration file in section 5. */
void docs_man(FILE *to, const command *cmd);
void docs_man_configuration(FILE *to);

#endif
