/* Help and reference, made from the tables of commands and settings. */
#ifndef POSTBUS_CLI_HELP_H
#define POSTBUS_CLI_HELP_H

#include "command.h"
#include "config_table.h"

/* `postbus --help` and `postbus NAME --help`. */
void help_overview(FILE *to);
void help_command(FILE *to, const command *cmd);

/* Whether the command takes the setting as a flag. */
bool command_takes_setting(const command *cmd, const config_setting *setting);

/* "-k, --key K" */
void help_flag_text(const command_option *option, char *out, size_t out_size);
void help_setting_flag_text(const config_setting *setting, char *out, size_t out_size);

extern const char *const help_exit_codes[];

#endif
